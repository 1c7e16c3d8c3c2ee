//! An agent that runs while a test watches it.

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::server::PATIENCE;
use crate::{Agent, AgentConfig, AgentError, Phase, Status};

pub(crate) struct Running {
    status: watch::Receiver<Status>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

impl Running {
    pub(crate) fn start(config: AgentConfig) -> Self {
        let agent = Agent::new(config).unwrap();
        let (status, shutdown) = (agent.status(), CancellationToken::new());
        let task = tokio::spawn(agent.run(shutdown.clone()));
        Self { status, shutdown, task }
    }

    /// Waits until the status is as `wanted`, and gives it.
    pub(crate) async fn until(&mut self, wanted: impl FnMut(&Status) -> bool) -> Status {
        let reached = timeout(PATIENCE, self.status.wait_for(wanted)).await;
        reached.expect("the status is reached in time").expect("the agent runs").clone()
    }

    pub(crate) async fn until_registered(&mut self) -> Status {
        self.until(|s| s.phase == Phase::Registered).await
    }

    /// Ends the agent.
    pub(crate) async fn stop(self) -> Result<(), AgentError> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(self) -> Result<(), AgentError> {
        timeout(PATIENCE, self.task).await.expect("it ends in time").expect("without a panic")
    }
}

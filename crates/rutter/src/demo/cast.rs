//! Who takes part: the process of `rutter up`, two services, an agent with two ways.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rutter_agent::{Agent, AgentConfig, JoinConfig, Phase};
use rutter_registry::read_private;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::story::{DIRECT, TUNNEL};
use super::upstream::Upstream;
use crate::client::Client;
use crate::config::raw::{self, Listen};
use crate::config::{self, Config, Period};
use crate::run::{Announce, Logging, RunFile, Running, Signals};

/// The name that both ways lead to.
pub(super) const NAME: &str = "alice.localhost";
/// How long anything may take to come about before the demonstration has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everybody who takes part.
pub(super) struct Cast {
    data: tempfile::TempDir,
    pub(super) run: RunFile,
    pub(super) client: Client,
    pub(super) direct: Upstream,
    pub(super) tunnel: Upstream,
    process: JoinHandle<anyhow::Result<()>>,
    agent: JoinHandle<Result<(), rutter_agent::AgentError>>,
    stop_agent: CancellationToken,
    stop: CancellationToken,
}

impl Cast {
    /// Brings everybody on stage: when it returns, both ways are registered.
    pub(super) async fn start(logging: Logging) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("rutter-demo-").tempdir()?;
        let stop = CancellationToken::new();
        let process = start_process(data.path(), logging, stop.clone()).await?;
        let run = read_private(&data.path().join("run.json"))?.context("the start left no note")?;
        let run: RunFile = serde_json::from_slice(&run)?;
        let client = Client::find(data.path())?;
        let direct = Upstream::start(DIRECT).await?;
        let tunnel = Upstream::start(TUNNEL).await?;
        let join = join_line(&client).await?;
        let services = [
            format!("{},health=/health", direct.address()),
            format!("{},health=/health,source=tunnel", tunnel.address()),
        ];
        let stop_agent = CancellationToken::new();
        let state = data.path().join("agent");
        let agent = start_agent(&join, &services, state, stop_agent.clone()).await?;
        Ok(Self { data, run, client, direct, tunnel, process, agent, stop_agent, stop })
    }

    /// The gateway as a browser would reach it.
    pub(super) fn gateway(&self) -> anyhow::Result<&str> {
        Ok(self.run.gateway.first().context("the gateway doesn't listen")?)
    }

    /// Lines for another shell.
    pub(super) fn how_to_look_around(&self) -> anyhow::Result<String> {
        let program = std::env::current_exe()?;
        let (program, data) = (program.display(), self.data.path().display());
        let port = self.gateway()?.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
        Ok(format!(
            "It goes on running. In another shell:\n\n  \
             alias rutter={program}\n  \
             export RUTTER_DATA={data}\n  \
             rutter routes list\n  \
             rutter routes explain {NAME}\n  \
             rutter routes watch --table gateway/services\n  \
             curl http://{NAME}:{port}/\n\n\
             {} ends the direct way, {} brings it back.\nCtrl-C ends it all.",
            format_args!("curl -X POST http://{}/die", self.tunnel.address()),
            format_args!("curl -X POST http://{}/live", self.tunnel.address()),
        ))
    }

    /// Kills the direct way and brings it back, as is asked of the tunnel's service.
    pub(super) async fn keep(&self) -> anyhow::Result<()> {
        let mut wishes = self.tunnel.wishes();
        while wishes.changed().await.is_ok() {
            let lives = *wishes.borrow_and_update();
            match lives {
                true => self.direct.revive().await?,
                false => self.direct.kill().await,
            }
        }
        Ok(())
    }

    /// Ends everybody, and leaves nothing behind.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stop_agent.cancel();
        self.agent.await??;
        self.stop.cancel();
        self.process.await??;
        self.direct.kill().await;
        self.tunnel.kill().await;
        Ok(self.data.close()?)
    }
}

async fn join_line(client: &Client) -> anyhow::Result<String> {
    #[derive(serde::Deserialize)]
    struct Made {
        join: String,
    }
    let wanted = serde_json::json!({ "reusable": false, "ttl_s": 600 });
    Ok(client.post::<Made>(&["v1", "join-tokens"], &wanted).await?.join)
}

/// Starts the agent; when it returns, its services are registered.
async fn start_agent(
    join: &str,
    services: &[String],
    state_dir: PathBuf,
    stop: CancellationToken,
) -> anyhow::Result<JoinHandle<Result<(), rutter_agent::AgentError>>> {
    let agent = Agent::new(AgentConfig::join(JoinConfig {
        url: join.parse()?,
        name: "alice".parse()?,
        services: services.iter().map(|service| service.parse()).collect::<Result<_, _>>()?,
        address: None,
        state_dir,
    }))?;
    let mut status = agent.status();
    let running = tokio::spawn(agent.run(stop));
    let registered = status.wait_for(|status| status.phase == Phase::Registered);
    let registered = tokio::time::timeout(PATIENCE, registered).await;
    match registered.is_ok_and(|registered| registered.is_ok()) {
        true => Ok(running),
        false => {
            let why = status.borrow().last_error.clone().unwrap_or_default();
            bail!("the agent didn't register: {why}")
        }
    }
}

/// What `rutter up` starts, on free ports; and quick to look again whether a way works.
async fn start_process(
    data: &Path,
    logging: Logging,
    stop: CancellationToken,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let config = configuration(data)?;
    let running = Running::start(config, None, logging, Announce::Nothing, &mut None).await?;
    let signals = Signals::hear()?;
    Ok(tokio::spawn(running.serve_until(signals, stop)))
}

fn configuration(data: &Path) -> anyhow::Result<Config> {
    let free = || Some(Listen::at(([127, 0, 0, 1], 0).into()));
    let health = raw::Health {
        recheck: Some(Period::seconds(1)),
        healthy_threshold: Some(1),
        ..raw::Health::default()
    };
    let file = raw::File {
        data: Some(raw::Data::In(data.to_owned())),
        listeners: Some(raw::Listeners {
            api: free(),
            link: free(),
            gateway: Some(raw::GatewayListeners { http: free(), https: None, fabric: None }),
            compat: None,
        }),
        controller: Some(raw::Controller::default()),
        gateway: Some(raw::Gateway { health: Some(health), ..raw::Gateway::default() }),
        ..raw::File::default()
    };
    config::resolve(&file).map_err(|_| anyhow::anyhow!("the demonstration's configuration"))
}

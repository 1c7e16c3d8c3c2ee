//! `rutter agent`: beside a workload.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use rutter_agent::{AgentConfig, JoinConfig, JoinUrl, ServiceSpec};
use rutter_route::{HostName, ServiceName};
use tokio_util::sync::CancellationToken;

use super::{Global, up::LogArgs};
use crate::config::resolved::Log;
use crate::run::{Logging, Signals};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter agent --join 'http://127.0.0.1:7070#rtj_...' --name alice --service web=127.0.0.1:3000
      registers http://127.0.0.1:3000 as web.alice.DOMAIN
  rutter agent --join '...' --name alice \\
      --service 127.0.0.1:3000,health=/healthz \\
      --service 10.8.0.2:3000,source=tunnel
      two ways for alice.DOMAIN itself: the second is taken while the first fails
  PROVIDER=https://api.example.org,USER,SIGNATURE rutter agent
      as Mesh Router's agent, with its environment

A token joins once: the URL's API says where the controller's link is, and there the token makes
the agent's own key known. Key and name are kept in the state directory, and the same line starts
the agent again. It withdraws its routes when it ends; if it is killed they are stale at once and
end with their lease.")]
pub(crate) struct Agent {
    /// Where to join, and the token: the line that `rutter up` and `rutter tokens join` print
    #[arg(long, value_name = "URL#TOKEN", env = "RUTTER_JOIN", hide_env_values = true)]
    join: Option<String>,
    /// The name to have, such as `alice`
    #[arg(long, requires = "join")]
    name: Option<ServiceName>,
    /// What to register, and how; may be given more than once.
    #[arg(
        long = "service",
        value_name = "SERVICE",
        requires = "join",
        help = "What to register: [NAME=][SCHEME://]HOST:PORT[,health=/path][,priority=N]\
                [,source=tunnel]; may be given more than once"
    )]
    services: Vec<ServiceSpec>,
    /// The address to register, where neither the service's own nor STUN's is right
    #[arg(long, value_name = "HOST", requires = "join")]
    address: Option<HostName>,
    /// Where the agent's identity is kept
    #[arg(long, value_name = "DIR", requires = "join")]
    state: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
}

impl Agent {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let log = self.log.raw();
        let log = Log {
            format: log.format.unwrap_or_default(),
            level: log.level.unwrap_or_else(|| "info".to_owned()),
        };
        Logging::start(&log)?;
        let mut signals = Signals::hear()?;
        let agent = rutter_agent::Agent::new(self.config(global)?)?;
        let stop = CancellationToken::new();
        let ended = agent.run(stop.clone());
        tokio::pin!(ended);
        tokio::select! {
            ended = &mut ended => return Ok(ended?),
            () = signals.end() => stop.cancel(),
        }
        Ok(ended.await?)
    }

    fn config(self, global: &Global) -> anyhow::Result<AgentConfig> {
        let Some(join) = self.join else {
            if std::env::var_os("PROVIDER").is_some() {
                return Ok(AgentConfig::from_env()?);
            }
            bail!(
                "where to? Give --join 'URL#TOKEN' --name NAME --service HOST:PORT, as `rutter up` \
                 prints it, or set PROVIDER for a Mesh Router backend"
            );
        };
        let Some(name) = self.name else {
            bail!("the agent needs a name: --name alice registers alice.DOMAIN");
        };
        let state_dir = match self.state {
            Some(state) => state,
            None => global.data()?.join("agent"),
        };
        let url: JoinUrl = join.parse()?;
        Ok(AgentConfig::join(JoinConfig {
            url,
            name,
            services: self.services,
            address: self.address,
            state_dir,
        }))
    }
}

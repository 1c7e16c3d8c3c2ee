//! `rutter agent`: beside a workload.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use rutter_agent::{AgentConfig, AgentError, JoinUrl, Node, ServiceSpec};
use rutter_route::{HostName, Prefix, ServiceName};
use tokio_util::sync::CancellationToken;

use super::{Global, up::LogArgs};
use crate::config::resolved::{self, AgentRoutes, Log};
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
  rutter agent --join '...' --name r1 --advertise-routes 10.1.0.0/24,fd00:1::/64
      a router of these networks, once they are approved: `rutter nodes approve r1 --all`
  rutter agent --join 'https://controller:7070' --name laptop --accept-routes --exit-node out
      uses others' networks; without a token it waits until a person lets it in
  PROVIDER=https://api.example.org,USER,SIGNATURE rutter agent
      as Mesh Router's agent, with its environment

A token joins once: the URL's API says where the controller's link is, and there the token makes
the agent's own key known. Key and name are kept in the state directory, and the same line starts
the agent again. It withdraws its services when it ends; if it is killed they are stale at once and
end with their lease. A node withdraws nothing: another router takes over, and what was approved
stays so. Probes of what lies behind a router stand in a file, see `agent.routes` in docs/config.md.")]
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
    /// Networks behind this host that it advertises, parted by commas
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', requires = "join")]
    advertise_routes: Vec<Prefix>,
    /// Offer this host as a way to everywhere
    #[arg(long, requires = "join")]
    advertise_exit_node: bool,
    /// Take routes to others' networks into this host's kernel
    #[arg(long, requires = "join")]
    accept_routes: bool,
    /// The node by which this host reaches everywhere else
    #[arg(long, value_name = "NODE", requires = "join")]
    exit_node: Option<String>,
    /// Don't masquerade towards the advertised networks: hosts there have routes by this host
    #[arg(long, requires = "join")]
    no_snat: bool,
    /// The address to register, where neither the service's own nor STUN's is right; of a node where
    /// others send what is for its networks
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
        let (agent, node) = self.parts(global)?;
        let stop = CancellationToken::new();
        let run = async {
            let agent = async {
                match agent {
                    Some(agent) => ends(agent.run(stop.clone()), &stop).await,
                    None => Ok(()),
                }
            };
            let node = async {
                match node {
                    Some(node) => ends(node.run(stop.clone()), &stop).await,
                    None => Ok(()),
                }
            };
            let (agent, node) = tokio::join!(agent, node);
            agent.and(node)
        };
        tokio::pin!(run);
        tokio::select! {
            ended = &mut run => return Ok(ended?),
            () = signals.end() => stop.cancel(),
        }
        Ok(run.await?)
    }

    /// What registers services, and what makes this host a node.
    fn parts(self, global: &Global) -> anyhow::Result<(Option<rutter_agent::Agent>, Option<Node>)> {
        let Some(join) = self.join else {
            if std::env::var_os("PROVIDER").is_some() {
                let agent = rutter_agent::Agent::new(AgentConfig::from_env()?)?;
                return Ok((Some(agent), None));
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
        let join: JoinUrl = join.parse()?;
        let is_node = !self.advertise_routes.is_empty()
            || self.advertise_exit_node
            || self.accept_routes
            || self.exit_node.is_some();
        let registers = !self.services.is_empty();
        let node_address = match (&self.address, is_node && !registers) {
            (Some(HostName::Address(address)), _) => Some(*address),
            (Some(HostName::Name(name)), true) => {
                bail!("others send a node's packets to an address, and `{name}` is a name")
            }
            _ => None,
        };
        let routes = is_node.then(|| AgentRoutes {
            join: AgentRoutes::join_beside(&join, registers),
            advertise_routes: self.advertise_routes,
            advertise_exit_node: self.advertise_exit_node,
            accept_routes: self.accept_routes,
            exit_node: self.exit_node,
            snat: !self.no_snat,
            addresses: node_address.into_iter().collect(),
            probes: Vec::new(),
        });
        let config = resolved::Agent {
            join: if registers || !is_node { join.with_token()? } else { join },
            name,
            services: self.services,
            address: self.address,
            state: state_dir,
            routes,
        };
        if !registers && !is_node {
            bail!(
                "what for? Give --service web=127.0.0.1:3000, or --advertise-routes 10.1.0.0/24, \
                 --accept-routes and the like for a node"
            );
        }
        let agent = config.of_services().map(rutter_agent::Agent::new).transpose()?;
        Ok((agent, config.node().map(Node::new).transpose()?))
    }
}

/// Where one ends by an error the other ends too.
async fn ends(
    run: impl Future<Output = Result<(), AgentError>>,
    stop: &CancellationToken,
) -> Result<(), AgentError> {
    let ended = run.await;
    if ended.is_err() {
        stop.cancel();
    }
    ended
}

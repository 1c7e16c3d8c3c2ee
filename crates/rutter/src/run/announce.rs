//! What a start tells the person who started it.

use std::io::Write;

use rutter_book::{Clock, SystemClock};
use rutter_controller::NewJoinToken;
use rutter_registry::Role;

use super::controller::ControllerRole;
use super::local::{AdminToken, RunFile};

/// How long the join token of a start lives: an hour.
const JOIN_TTL: std::time::Duration = std::time::Duration::from_secs(3600);

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announce {
    /// Nothing: logs say it.
    Nothing,
    /// Where it listens, the first token, and a line for an agent.
    All {
        /// The line's token works more than once.
        reusable: bool,
    },
}

impl Announce {
    pub(super) async fn ready(
        self,
        run: &RunFile,
        token: &AdminToken,
        role: &ControllerRole,
    ) -> anyhow::Result<()> {
        tracing::info!(
            api = run.api,
            link = run.link,
            gateway = ?run.gateway,
            mesh_router = run.mesh_router,
            "ready"
        );
        let Self::All { reusable } = self else { return Ok(()) };
        let mut text = addresses(run);
        if token.is_new {
            text.push_str(&format!(
                "\nAdmin token, shown this once: {}\n(the local command finds it in {}/admin.token)\n",
                token.secret, run.data
            ));
        }
        if let Some(join) = &run.join {
            let now = SystemClock.now();
            let new = NewJoinToken { role: Role::Agent, reusable, ttl: JOIN_TTL };
            let made = role.controller().create_join_token(now, new, "the start").await?;
            let pin = run.pin.as_ref().map(|pin| format!(".{pin}")).unwrap_or_default();
            let uses = if reusable { "any number of agents" } else { "one agent" };
            text.push_str(&format!(
                "\nRegister a service ({uses}, within the hour):\n  rutter agent --join '{join}#{}{pin}' \
                 --name alice --service web=127.0.0.1:3000\n",
                made.secret.reveal()
            ));
            if let Some(gateway) = run.gateway.first() {
                text.push_str(&format!("and open {}\n", seen_at(gateway, &run.domain)));
            }
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}

fn addresses(run: &RunFile) -> String {
    let mut text = format!("rutter {} is ready.\n\n", run.version);
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {name:<12} {value}\n"));
    };
    for gateway in &run.gateway {
        line("gateway", gateway);
    }
    if let Some(api) = &run.api {
        line("API", api);
    }
    if let Some(link) = &run.link {
        line("link", link);
    }
    if let Some(mesh_router) = &run.mesh_router {
        line("Mesh Router", mesh_router);
    }
    if let Some(mpreg) = &run.mpreg {
        line("MPREG", mpreg);
    }
    line("data", &run.data);
    text
}

/// The URL of the example's service.
fn seen_at(gateway: &str, domain: &str) -> String {
    let (scheme, authority) = gateway.split_once("://").unwrap_or(("http", gateway));
    let port = authority.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
    format!("{scheme}://web.alice.{domain}:{port}/")
}

//! An agent's resolved configuration.

use crate::{JoinConfig, MeshRouterConfig, Pacing, StunConfig};

/// All that an agent needs to know. Made by the program from its arguments and file, or by
/// [`AgentConfig::from_env`].
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Whom it speaks to, and how.
    pub mode: Mode,
    /// How this host's public address is found where none is given.
    pub stun: StunConfig,
    /// How it waits.
    pub pacing: Pacing,
}

/// Whom an agent speaks to, and how.
#[derive(Debug, Clone)]
pub enum Mode {
    /// To a Mesh Router backend, with the original agent's environment.
    MeshRouter(MeshRouterConfig),
    /// To Rutter's controller, over `rutter.v1`.
    Join(JoinConfig),
}

impl AgentConfig {
    /// Joins a controller.
    pub fn join(config: JoinConfig) -> Self {
        // A session that is lost leaves its routes stale, so it comes back as soon as a link does.
        let pacing = Pacing { backoff: rutter_link::Backoff::default(), ..Pacing::default() };
        Self { mode: Mode::Join(config), stun: StunConfig::default(), pacing }
    }

    /// Speaks Mesh Router. `ERROR_RETRY_INTERVAL`, where it is set, is the longest back-off.
    pub fn mesh_router(config: MeshRouterConfig) -> Self {
        let mut pacing = Pacing::default();
        if let Some(longest) = config.error_retry {
            pacing.backoff.longest = longest;
            pacing.backoff.first = pacing.backoff.first.min(longest);
        }
        Self { mode: Mode::MeshRouter(config), stun: StunConfig::default(), pacing }
    }

    /// Speaks Mesh Router as this process's environment says.
    ///
    /// # Errors
    /// A variable that is missing or malformed, by its name.
    pub fn from_env() -> Result<Self, crate::AgentError> {
        MeshRouterConfig::from_vars(|name| std::env::var_os(name)).map(Self::mesh_router)
    }
}

//! Providers as the registry shows them.

use std::sync::Arc;

use crate::catalogue::Said;
use crate::{ProviderId, Remark};

/// A provider, and what became of what it said.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Which.
    pub id: Arc<ProviderId>,
    /// Its place in the configuration.
    pub order: u32,
    /// Whether it is heard.
    pub state: ProviderState,
    /// What it has.
    pub said: Said,
    /// What whoever wrote its text may not expect.
    pub remarks: Arc<[Remark]>,
}

/// Whether a provider is heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProviderState {
    /// It hasn't said anything yet.
    #[default]
    NotYet,
    /// It says what it has.
    Ready,
    /// It can't be asked: what it said before stands.
    Lost {
        /// What was seen.
        why: String,
    },
}

//! Who did what and when: a bounded log for people.

use async_trait::async_trait;
use rutter_route::Wall;
use serde::{Deserialize, Serialize};

use crate::{Note, Page, Result};

/// How many audit events are kept; each write removes what is older. At a kilobyte or two each
/// that is some tens of megabytes at most.
pub const AUDIT_EVENTS_KEPT: u64 = 10_000;

/// The number of an audit event, rising from 1 without reuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditNumber(pub u64);

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub at: Wall,
    /// Who: a token's name, a user, the program.
    pub who: Note,
    /// What was done, a word such as `domain.add`.
    pub what: Note,
    /// On what.
    pub subject: Note,
    /// More of it. Never a secret.
    #[serde(default, skip_serializing_if = "Note::is_empty")]
    pub detail: Note,
}

/// Audit events, wherever they are stored.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Keeps an event, and removes those before the last [`AUDIT_EVENTS_KEPT`].
    async fn audit(&self, event: AuditEvent) -> Result<AuditNumber>;

    /// Events, the newest first; `after` a number: those older than it.
    async fn audit_events(&self, page: Page<AuditNumber>)
    -> Result<Vec<(AuditNumber, AuditEvent)>>;
}

//! What is written down of who did what.

use rutter_registry::{AuditEvent, Note};
use rutter_route::Now;

use super::Controller;

impl Controller {
    /// Writes down an act that has happened. That it can't be written down doesn't undo it, so a
    /// failure is logged and no more.
    pub(super) async fn note(&self, now: Now, who: &str, what: &str, subject: &str, detail: &str) {
        let event = AuditEvent {
            at: now.wall,
            who: Note::from(who),
            what: Note::from(what),
            subject: Note::from(subject),
            detail: Note::from(detail),
        };
        if let Err(error) = self.0.registry.audit(event).await {
            tracing::warn!(%error, who, what, subject, "an audit event can't be written");
        }
    }
}

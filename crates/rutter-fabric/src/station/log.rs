//! The speaker's events as lines of the log, under the seed's names.

use rutter_protocol::speaker::{Level, LogEvent};
use tracing::{debug, info, warn};

/// Logs an event: `what` is its name, as `route_accept`.
pub(super) fn event(event: &LogEvent) {
    // The macros need to know the level beforehand.
    macro_rules! say {
        ($level:ident) => {
            $level!(
                target: "rutter::fabric",
                what = %name(event),
                neighbour = event.neighbour.as_ref().map(tracing::field::display),
                scope = event.scope.as_ref().map(tracing::field::display),
                destination = event.destination.as_ref().map(tracing::field::display),
                reason = event.reason.map(tracing::field::display),
                "{}",
                event.why
            )
        };
    }
    match event.level {
        Level::Debug => say!(debug),
        Level::Info => say!(info),
        Level::Warn => say!(warn),
    }
}

/// An event's name is the one that it has in JSON.
fn name(event: &LogEvent) -> String {
    let value = serde_json::to_value(event.what).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rutter_protocol::speaker::What;

    use super::*;

    #[test]
    fn events_have_the_seeds_names() {
        let event = |what| LogEvent {
            what,
            level: Level::Debug,
            neighbour: None,
            scope: None,
            destination: None,
            reason: None,
            why: String::new(),
        };
        assert_eq!(name(&event(What::RouteHoldDown)), "route_hold_down");
        assert_eq!(name(&event(What::SessionUp)), "session_up");
    }
}

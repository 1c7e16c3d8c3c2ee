//! What a sink sees, on the wire.

use std::time::Duration;

use rutter_route::{Destination, RouteKey};

use super::{Malformed, destination, millis, v1};

/// What a sink sees of one route that it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation<D> {
    /// The destination.
    pub destination: D,
    /// The route.
    pub route: RouteKey,
    /// What is seen.
    pub is: Seen,
}

/// What is seen of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nobody knows, or not any more.
    Unknown,
    /// It works.
    Healthy,
    /// It doesn't.
    Unhealthy {
        /// What was seen.
        why: String,
        /// How long that counts; `None`: until it is taken back.
        left: Option<Duration>,
    },
}

/// The most characters of a reason that are taken.
const MAX_WHY: usize = 500;

pub(crate) fn encode<D: Destination>(observation: &Observation<D>) -> v1::Observation {
    let (health, why, left) = match &observation.is {
        Seen::Unknown => (v1::Health::Unknown, String::new(), None),
        Seen::Healthy => (v1::Health::Healthy, String::new(), None),
        Seen::Unhealthy { why, left } => (v1::Health::Unhealthy, why.clone(), *left),
    };
    v1::Observation {
        destination: Some(destination::encode(&observation.destination)),
        source: observation.route.source.to_string(),
        path: observation.route.path.to_string(),
        health: health.into(),
        why,
        // 0 stands for no end, so an end that has come is the shortest that there is.
        for_ms: left.map_or(0, |left| millis(left).max(1)),
    }
}

pub(crate) fn decode<D: Destination>(wire: &v1::Observation) -> Result<Observation<D>, Malformed> {
    let is = match v1::Health::try_from(wire.health) {
        Ok(v1::Health::Unknown) => Seen::Unknown,
        Ok(v1::Health::Healthy) => Seen::Healthy,
        Ok(v1::Health::Unhealthy) => Seen::Unhealthy {
            why: wire.why.chars().filter(|c| !c.is_control()).take(MAX_WHY).collect(),
            left: (wire.for_ms > 0).then(|| Duration::from_millis(wire.for_ms)),
        },
        Err(_) => {
            return Err(Malformed::new("observation.health", "expected a word of this revision"));
        }
    };
    Ok(Observation {
        destination: destination::decode(wire.destination.as_ref())?,
        route: RouteKey {
            source: wire.source.parse().map_err(Malformed::at("observation.source"))?,
            path: wire.path.parse().map_err(Malformed::at("observation.path"))?,
        },
        is,
    })
}

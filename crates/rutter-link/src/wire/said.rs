//! What a source says and what came of it, on the wire.

use rutter_rib::Batch;
use rutter_route::{PathId, SourceId};

use super::{Malformed, destination, millis, tells, v1};
use crate::said::{AnyBatch, Outcome, SourceReport, SourceUpdate};
use crate::{Refusal, RefusalCode};

/// What a source says. `teller` is the source of routes that name none. The second part is what
/// couldn't be understood of it.
pub(crate) fn decode_update(
    update: &v1::Update,
    teller: &str,
) -> Result<(SourceUpdate, Vec<Outcome>), Malformed> {
    let table = update.table.parse().map_err(Malformed::at("update.table"))?;
    let teller: SourceId = teller.parse().map_err(Malformed::at("update"))?;
    let (batch, malformed) = match family_of(update)? {
        v1::Kind::Prefix => any(tells::decode(update, &teller), AnyBatch::Prefix),
        v1::Kind::Cluster => any(tells::decode(update, &teller), AnyBatch::Cluster),
        v1::Kind::Service | v1::Kind::Unspecified => {
            any(tells::decode(update, &teller), AnyBatch::Service)
        }
    };
    let outcome = |malformed: Malformed| Outcome {
        destination: None,
        path: PathId::default(),
        is: Err(malformed.to_string()),
    };
    let update = SourceUpdate { table, source: update.source.clone(), batch };
    Ok((update, malformed.into_iter().map(outcome).collect()))
}

fn any<D>(
    (batch, malformed): (Batch<D>, Vec<Malformed>),
    make: fn(Batch<D>) -> AnyBatch,
) -> (AnyBatch, Vec<Malformed>) {
    (make(batch), malformed)
}

/// The kind of an update's destinations: its first one's. An update without any is of whatever
/// kind its table has, so the receiver takes it as it needs it.
fn family_of(update: &v1::Update) -> Result<v1::Kind, Malformed> {
    use v1::destination::Of;
    match update.kind() {
        v1::Kind::Unspecified => {}
        kind => return Ok(kind),
    }
    let first = update.tells.first().and_then(|t| t.destination.as_ref()?.of.as_ref());
    match first {
        Some(Of::Prefix(_)) => Ok(v1::Kind::Prefix),
        Some(Of::Service(_)) => Ok(v1::Kind::Service),
        Some(Of::Cluster(_)) => Ok(v1::Kind::Cluster),
        None => Err(Malformed::new("update.kind", "expected the kind of its destinations")),
    }
}

/// What a source says, as the dialer sends it.
pub(crate) fn encode_update(update: &SourceUpdate) -> Vec<v1::Update> {
    let (kind, mut updates) = match &update.batch {
        AnyBatch::Prefix(batch) => (v1::Kind::Prefix, tells::encode(&update.table, 0, batch)),
        AnyBatch::Service(batch) => (v1::Kind::Service, tells::encode(&update.table, 0, batch)),
        AnyBatch::Cluster(batch) => (v1::Kind::Cluster, tells::encode(&update.table, 0, batch)),
    };
    for wire in &mut updates {
        wire.set_kind(kind);
        wire.source.clone_from(&update.source);
    }
    updates
}

pub(crate) fn encode_report(
    table: String,
    source: String,
    answered: Result<SourceReport, Refusal>,
) -> v1::Report {
    let report = v1::Report { table, source, ..v1::Report::default() };
    match answered {
        Ok(said) => v1::Report {
            lease_ms: said.lease.map_or(0, millis),
            renew_ms: said.renew.map_or(0, millis),
            outcomes: said.outcomes.iter().map(encode_outcome).collect(),
            ..report
        },
        Err(refusal) => {
            v1::Report { refused: refusal.why, refused_code: refusal.code.to_string(), ..report }
        }
    }
}

fn encode_outcome(outcome: &Outcome) -> v1::Outcome {
    let (standing, refused) = match &outcome.is {
        Ok(standing) => (standing.to_string(), String::new()),
        Err(why) => (String::new(), why.clone()),
    };
    v1::Outcome {
        destination: outcome.destination.as_ref().map(destination::encode_any),
        path: outcome.path.to_string(),
        standing,
        refused,
    }
}

/// What came of what was said, as the dialer hears it.
pub(crate) fn decode_report(wire: &v1::Report) -> Result<Result<SourceReport, Refusal>, Malformed> {
    if !wire.refused.is_empty() {
        let code = RefusalCode::ALL.into_iter().find(|c| c.as_str() == wire.refused_code);
        return Ok(Err(Refusal::new(code.unwrap_or(RefusalCode::Invalid), &wire.refused)));
    }
    let time = |ms: u64| (ms > 0).then(|| std::time::Duration::from_millis(ms));
    let outcomes = wire.outcomes.iter().map(decode_outcome).collect::<Result<_, _>>()?;
    Ok(Ok(SourceReport { lease: time(wire.lease_ms), renew: time(wire.renew_ms), outcomes }))
}

fn decode_outcome(wire: &v1::Outcome) -> Result<Outcome, Malformed> {
    let of = wire.destination.as_ref().map(|d| destination::decode_any(Some(d))).transpose()?;
    let is = match wire.refused.as_str() {
        "" => {
            let known = rutter_route::Standing::ALL.into_iter();
            let standing = known.into_iter().find(|s| s.as_str() == wire.standing);
            Ok(standing.ok_or_else(|| Malformed::new("outcome.standing", "expected a standing"))?)
        }
        why => Err(why.to_owned()),
    };
    let path = wire.path.parse().map_err(Malformed::at("outcome.path"))?;
    Ok(Outcome { destination: of, path, is })
}

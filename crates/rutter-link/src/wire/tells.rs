//! Batches of an outlet on the wire.

use prost::Message;
use rutter_rib::{Batch, Tell};
use rutter_route::{SourceId, TableName};

use super::{Family, Malformed, UPDATE_BYTES, destination, route, v1};

/// A batch as updates, each of [`UPDATE_BYTES`] and one destination at most. An empty batch makes
/// one update, which carries the snapshot's beginning or end.
pub(crate) fn encode<D: Family>(
    table: &TableName,
    outlet: u64,
    batch: &Batch<D>,
) -> Vec<v1::Update> {
    let empty = || v1::Update { table: table.to_string(), outlet, ..v1::Update::default() };
    let mut updates = vec![empty()];
    let mut bytes = 0;
    for tell in &batch.tells {
        let tell = encode_tell(tell);
        let length = tell.encoded_len();
        if bytes > 0 && bytes + length > UPDATE_BYTES {
            updates.push(empty());
            bytes = 0;
        }
        bytes += length;
        if let Some(update) = updates.last_mut() {
            update.tells.push(tell);
        }
    }
    if let Some(first) = updates.first_mut() {
        first.begin_snapshot = batch.begin_snapshot;
    }
    if let Some(last) = updates.last_mut() {
        last.end_of_snapshot = batch.end_of_snapshot;
    }
    updates
}

fn encode_tell<D: Family>(tell: &Tell<D>) -> v1::Tell {
    let (withdraw, routes) = match tell {
        Tell::Advertise { routes, .. } => (false, routes.iter().map(route::encode).collect()),
        Tell::Withdraw { .. } => (true, Vec::new()),
    };
    v1::Tell {
        number: tell.number(),
        destination: Some(destination::encode(tell.destination())),
        withdraw,
        routes,
    }
}

/// An update as a batch, and what of it can't be understood. A destination with a route that is
/// malformed keeps its others; one that is malformed itself is left out.
pub(crate) fn decode<D: Family>(
    update: &v1::Update,
    teller: &SourceId,
) -> (Batch<D>, Vec<Malformed>) {
    let mut malformed = Vec::new();
    let mut tells = Vec::with_capacity(update.tells.len());
    for tell in &update.tells {
        match decode_tell(tell, teller, &mut malformed) {
            Ok(tell) => tells.push(tell),
            Err(error) => malformed.push(error),
        }
    }
    let batch = Batch {
        tells,
        begin_snapshot: update.begin_snapshot,
        end_of_snapshot: update.end_of_snapshot,
        more: false,
    };
    (batch, malformed)
}

fn decode_tell<D: Family>(
    wire: &v1::Tell,
    teller: &SourceId,
    malformed: &mut Vec<Malformed>,
) -> Result<Tell<D>, Malformed> {
    let destination = destination::decode(wire.destination.as_ref())?;
    let number = wire.number;
    if wire.withdraw {
        return Ok(Tell::Withdraw { number, destination });
    }
    let mut routes = Vec::with_capacity(wire.routes.len());
    for route in &wire.routes {
        match route::decode(route, teller) {
            Ok(route) => routes.push(route),
            Err(error) => malformed.push(error),
        }
    }
    if routes.is_empty() && !wire.routes.is_empty() {
        // Nothing of it can be used here, which isn't the same as unreachable.
        return Ok(Tell::Withdraw { number, destination });
    }
    Ok(Tell::Advertise { number, destination, routes })
}

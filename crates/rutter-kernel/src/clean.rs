//! Removes what a task left, for a command that a person calls.
//!
//! `ip route flush table N` fails on routes that name a next-hop object, and `ip nexthop flush`
//! takes everybody's. This removes the routes of one table that bear one protocol number, and then
//! those objects of that number that they named and nobody names any more.

use std::collections::{BTreeMap, BTreeSet};

use rutter_route::Prefix;

use crate::error::KernelError;
use crate::fib::{ObjectIds, To};
use crate::sink::{ROOM, check, list_objects};
use crate::socket::Socket;
use crate::wire::{self, Batch, Object, ObjectRow};

/// A listing of no table in particular is of all.
const EVERY_TABLE: u32 = 0;

/// What was removed, and what couldn't be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Routes.
    pub n_routes: usize,
    /// Next-hop objects.
    pub n_objects: usize,
    /// Routes that the kernel didn't remove, and its words.
    pub refused: Vec<(Prefix, String)>,
}

/// Removes the routes of a table that bear a protocol number, and the next-hop objects that were
/// there for them; those of `objects` also where no route named them. In the network namespace of
/// the calling thread.
///
/// # Errors
/// The kernel can't be asked. Some may be removed.
pub fn clean(table: u32, protocol: u8, objects: Option<ObjectIds>) -> Result<Cleaned, KernelError> {
    check(table, protocol, objects)?;
    let mut socket = Socket::open()?;
    let mut cleaned = Cleaned::default();
    let mut named = BTreeSet::new();
    if let Some(ids) = objects {
        let all = list_objects(&mut socket, true)?;
        named.extend(all.iter().map(|row| row.id).filter(|id| ids.contains(*id)));
    }
    for v4 in [true, false] {
        let list = |batch: &mut Batch| wire::list_routes(batch, table, v4, Some(protocol));
        let mut routes = socket.list("routes", list, Vec::new, |routes, row| {
            routes.extend(wire::route_row(row));
        })?;
        // A kernel that doesn't filter lists them all.
        routes.retain(|route| route.protocol == protocol && !route.special);
        for some in routes.chunks(ROOM) {
            let mut batch = Batch::default();
            for route in some {
                if let To::Object(id) = route.to {
                    named.insert(id);
                }
                wire::delete_route(&mut batch, (table, protocol), &route.prefix, route.priority);
            }
            let refused = socket.ask(&mut batch)?;
            cleaned.n_routes += some.len() - refused.len();
            let refused = refused.into_iter();
            cleaned.refused.extend(
                refused.filter_map(|(at, said)| Some((some.get(at)?.prefix, said.to_string()))),
            );
        }
    }
    remove_objects(&mut socket, protocol, named, &mut cleaned)?;
    Ok(cleaned)
}

/// Removes those of the named objects that bear the number and that no route names any more:
/// groups first, then hops that no group has.
fn remove_objects(
    socket: &mut Socket,
    protocol: u8,
    named: BTreeSet<u32>,
    cleaned: &mut Cleaned,
) -> Result<(), KernelError> {
    let mut objects: BTreeMap<u32, ObjectRow> =
        list_objects(socket, true)?.into_iter().map(|row| (row.id, row)).collect();
    let mut candidates = named;
    candidates.retain(|id| objects.get(id).is_some_and(|row| row.protocol == protocol));
    if candidates.is_empty() {
        return Ok(());
    }
    let in_use = named_by_routes(socket)?;
    candidates.retain(|id| !in_use.contains(id));
    let members = |row: &ObjectRow| match &row.object {
        Some(Object::Group(members)) => members.iter().map(|(id, _)| *id).collect(),
        _ => Vec::new(),
    };
    let groups =
        candidates.iter().filter(|id| objects.get(id).is_some_and(|row| !members(row).is_empty()));
    let groups: Vec<u32> = groups.copied().collect();
    cleaned.n_objects += delete(socket, &groups)?;
    for group in &groups {
        candidates.remove(group);
        candidates.extend(objects.remove(group).iter().flat_map(members));
    }
    let in_groups: BTreeSet<u32> = objects.values().flat_map(members).collect();
    candidates.retain(|id| {
        let ours = objects.get(id).is_some_and(|row| row.protocol == protocol);
        ours && !in_groups.contains(id) && !in_use.contains(id)
    });
    let hops: Vec<u32> = candidates.into_iter().collect();
    cleaned.n_objects += delete(socket, &hops)?;
    Ok(())
}

/// The objects that any route of any table names.
fn named_by_routes(socket: &mut Socket) -> Result<BTreeSet<u32>, KernelError> {
    let mut named = BTreeSet::new();
    for v4 in [true, false] {
        let list = |batch: &mut Batch| wire::list_routes(batch, EVERY_TABLE, v4, None);
        named.extend(socket.list("routes", list, Vec::new, |ids, row| {
            ids.extend(wire::route_row(row).and_then(|route| match route.to {
                To::Object(id) => Some(id),
                _ => None,
            }));
        })?);
    }
    Ok(named)
}

/// Says how many were removed.
fn delete(socket: &mut Socket, ids: &[u32]) -> Result<usize, KernelError> {
    let mut n = 0;
    for some in ids.chunks(ROOM) {
        let mut batch = Batch::default();
        for id in some {
            wire::delete_object(&mut batch, *id);
        }
        n += some.len() - socket.ask(&mut batch)?.len();
    }
    Ok(n)
}

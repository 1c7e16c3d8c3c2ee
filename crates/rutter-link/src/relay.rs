//! From another's table to one's own: what a batch does to the table of the one who was told.
//!
//! The teller is one source of the receiving table, so what tells its routes apart there is the
//! path id alone: (first source, its path id), in a form that keeps their order ([`claim_of`] is
//! the way back). Each route keeps its effective attributes and its impaired standing, so both
//! ends rank alike, and a verdict of the receiver's finds its way back.
//!
//! It is the same whether the batch comes from a book in this process or over a link.

mod key;

use rutter_rib::{Batch, Table, Tell, ToldRoute};
use rutter_route::{
    Advertisement, Destination, Now, ParseError, PathId, RouteKey, Session, Verdict,
};

/// A route that the table didn't take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken<D> {
    /// To where.
    pub destination: D,
    /// Which.
    pub route: RouteKey,
    /// Why.
    pub why: String,
}

/// The claim at the teller that a route of the receiving table stands for; `None` for a path id
/// that was never given here.
pub fn claim_of(path: &PathId) -> Option<RouteKey> {
    key::decode(path)
}

/// The path id under which the receiving table holds a claim of the teller's.
///
/// # Errors
/// Source and path id are longer together than a path id may be: 255 bytes, of which this form
/// needs four or six, and one for each space in the source's name.
pub fn path_of(claim: &RouteKey) -> Result<PathId, ParseError> {
    key::encode(claim)
}

/// Makes the receiving table hold what the batch says. `session` is the teller's in that table.
pub fn take<D: Destination>(
    now: Now,
    table: &mut Table<D>,
    session: &Session,
    batch: &Batch<D>,
) -> Vec<NotTaken<D>> {
    take_by(now, table, session, batch, |table, route| {
        let path = route.path.clone();
        match table.advertise(now, session, route) {
            Verdict::Stands(_) => Ok(path),
            Verdict::Refused(why) => Err(why.to_string()),
        }
    })
}

/// As [`take`], where each route is put in by `advertise`, which may make something else of it but
/// its destination, and says by which path id it is in the table, or why it isn't.
pub fn take_by<D: Destination>(
    now: Now,
    table: &mut Table<D>,
    session: &Session,
    batch: &Batch<D>,
    mut advertise: impl FnMut(&mut Table<D>, Advertisement<D>) -> Result<PathId, String>,
) -> Vec<NotTaken<D>> {
    let mut not_taken = Vec::new();
    if batch.begin_snapshot {
        table.begin_refresh(now, session);
    }
    for tell in &batch.tells {
        let (destination, routes) = match tell {
            Tell::Advertise { destination, routes, .. } => (destination, routes.as_slice()),
            Tell::Withdraw { destination, .. } => (destination, [].as_slice()),
        };
        let mut kept: Vec<PathId> = Vec::with_capacity(routes.len());
        for told in routes {
            match claim(destination, told).and_then(|route| advertise(table, route)) {
                Ok(path) => kept.push(path),
                Err(why) => {
                    let (destination, route) = (destination.clone(), told.route.clone());
                    not_taken.push(NotTaken { destination, route, why });
                }
            }
        }
        withdraw_others(now, table, session, destination, &kept);
    }
    if batch.end_of_snapshot {
        table.end_of_refresh(now, session);
    }
    not_taken
}

/// Leaves the source these routes to the destination, and no others.
fn withdraw_others<D: Destination>(
    now: Now,
    table: &mut Table<D>,
    session: &Session,
    destination: &D,
    kept: &[PathId],
) {
    let held: Vec<PathId> = table
        .candidates(destination)
        .iter()
        .map(|c| c.key())
        .filter(|k| k.source == session.source)
        .map(|k| k.path)
        .collect();
    for path in held.iter().filter(|p| !kept.contains(p)) {
        table.withdraw(now, session, destination, path);
    }
}

fn claim<D: Destination>(destination: &D, told: &ToldRoute) -> Result<Advertisement<D>, String> {
    let path = key::encode(&told.route).map_err(|e| e.to_string())?;
    let standing = told.standing;
    let route = Advertisement::new(destination.clone(), told.attributes.clone());
    Ok(Advertisement { path, standing, ..route })
}

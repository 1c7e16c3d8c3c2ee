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
    let mut not_taken = Vec::new();
    if batch.begin_snapshot {
        table.begin_refresh(now, session);
    }
    for tell in &batch.tells {
        match tell {
            Tell::Advertise { destination, routes, .. } => {
                replace(now, table, session, destination, routes, &mut not_taken);
            }
            Tell::Withdraw { destination, .. } => {
                replace(now, table, session, destination, &[], &mut not_taken);
            }
        }
    }
    if batch.end_of_snapshot {
        table.end_of_refresh(now, session);
    }
    not_taken
}

/// Makes these the destination's routes, and no others.
fn replace<D: Destination>(
    now: Now,
    table: &mut Table<D>,
    session: &Session,
    destination: &D,
    routes: &[ToldRoute],
    not_taken: &mut Vec<NotTaken<D>>,
) {
    let mut kept: Vec<PathId> = Vec::with_capacity(routes.len());
    for told in routes {
        match advertise(now, table, session, destination, told) {
            Ok(path) => kept.push(path),
            Err(why) => not_taken.push(NotTaken {
                destination: destination.clone(),
                route: told.route.clone(),
                why,
            }),
        }
    }
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

fn advertise<D: Destination>(
    now: Now,
    table: &mut Table<D>,
    session: &Session,
    destination: &D,
    told: &ToldRoute,
) -> Result<PathId, String> {
    let path = key::encode(&told.route).map_err(|e| e.to_string())?;
    let mut route = Advertisement::new(destination.clone(), told.attributes.clone());
    route.path = path.clone();
    route.standing = told.standing;
    match table.advertise(now, session, route) {
        Verdict::Stands(_) => Ok(path),
        Verdict::Refused(why) => Err(why.to_string()),
    }
}

//! What another policy would change: a dry run over all carried tables, in slices of the owner.

use rutter_book::BookHandle;
use rutter_protocol::policy::FabricPolicy;
use rutter_rib::{Cursor, Kind, Policy, PolicyEffect};
use rutter_route::{ClusterId, DestinationKind, Prefix, RouteKey, Service, SourceId, TableName};

use crate::station::Shared;
use crate::{FabricError, PolicyDiff};

/// Destinations that are looked at in one go of the owner.
const SLICE: usize = 1024;

/// The most routes of each kind of difference that are named, a table.
const NAMED: usize = 100;

pub(crate) async fn try_policy(
    book: &BookHandle,
    shared: &Shared,
    policy: FabricPolicy,
) -> Result<Vec<PolicyDiff>, FabricError> {
    let shared = shared.clone();
    let policies = book.read(move |book, _| shared.core().speaker.policies_under(book, &policy));
    let mut diffs = Vec::new();
    for (spec, policy) in policies.await?? {
        diffs.push(match spec.kind {
            DestinationKind::Cluster => of::<ClusterId>(book, spec.table, policy).await?,
            DestinationKind::Service => of::<Service>(book, spec.table, policy).await?,
            DestinationKind::Prefix => of::<Prefix>(book, spec.table, policy).await?,
        });
    }
    Ok(diffs)
}

async fn of<D: Kind + Send>(
    book: &BookHandle,
    name: TableName,
    policy: Policy,
) -> Result<PolicyDiff, FabricError> {
    let mut diff = PolicyDiff {
        table: name.to_string(),
        n_routes: 0,
        permitted: Vec::new(),
        denied: Vec::new(),
        moved: Vec::new(),
    };
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        let (name, policy) = (name.clone(), policy.clone());
        let slice = book.read(move |book, now| {
            let table = book.table::<D>(&name)?;
            Some((table.try_policy(now, &policy, cursor, SLICE), table.counts().routes))
        });
        let Some((effect, n_routes)) = slice.await? else { break };
        diff.n_routes = n_routes;
        from = effect.next;
        take(&mut diff, effect);
    }
    Ok(diff)
}

/// Adds a slice's differences, as far as they are named.
fn take<D: Kind>(diff: &mut PolicyDiff, effect: PolicyEffect<D>) {
    let named = |(to, source): (D, SourceId)| (source.to_string(), to.to_string());
    let best = |route: Option<RouteKey>| route.map(|route| shown(&route));
    diff.permitted.extend(effect.freed_routes.into_iter().map(named));
    diff.denied.extend(effect.barred_routes.into_iter().map(named));
    let moved = effect.examples.into_iter();
    diff.moved.extend(moved.map(|(to, now, then)| (to.to_string(), best(now), best(then))));
    diff.permitted.truncate(NAMED);
    diff.denied.truncate(NAMED);
    diff.moved.truncate(NAMED);
}

/// A route by its source, and its path where that has a name.
fn shown(route: &RouteKey) -> String {
    match route.path.as_str() {
        "" => route.source.to_string(),
        path => format!("{} ({path})", route.source),
    }
}

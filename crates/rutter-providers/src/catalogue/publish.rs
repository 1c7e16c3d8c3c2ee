//! What everybody sees: entries in pools, and what is said of their coming and going.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rutter_route::{Listener, Service};
use smol_str::{SmolStr, ToSmolStr};

use super::rows::{Dirty, Row, Rows};
use crate::Alias;
use crate::registry::{Entry, EntryKey, Happened, PoolKind, Shown, Verdict, What};

/// The members of each link that are served.
pub(super) type Links = HashMap<Service, BTreeMap<EntryKey, Arc<Entry>>>;

type Updates = BTreeMap<(PoolKind, SmolStr), Option<Arc<Entry>>>;

/// Shows what became of rows, and forgets those that are gone.
pub(super) fn publish(rows: &mut Rows, dirty: &Dirty, links: &mut Links, shown: &Shown) {
    let mut left = Vec::new();
    let mut come = Vec::new();
    let mut touched = BTreeSet::new();
    for key in dirty {
        let verdict = rows.verdict(key);
        let Some(row) = rows.row_mut(key) else { continue };
        let entry = row.what.as_ref().map(|what| entry(key, row, what, verdict));
        if let (Some(before), Some(now)) = (&row.entry, &entry)
            && is_same(before, now)
        {
            continue;
        }
        let entry = entry.map(Arc::new);
        for entry in [&row.entry, &entry].into_iter().flatten() {
            touched.extend(link_of(entry));
        }
        if let Some(link) = row.entry.as_deref().and_then(link_of)
            && let Some(members) = links.get_mut(&link)
        {
            members.remove(key);
        }
        if let Some(entry) = &entry
            && let Some(link) = link_of(entry)
        {
            links.entry(link).or_default().insert(key.clone(), entry.clone());
        }
        let before = std::mem::replace(&mut row.entry, entry.clone());
        if let Some(provider) = rows.provider_mut(&key.provider) {
            provider.count(before.as_deref(), entry.as_deref());
            if entry.is_none() {
                provider.rows.remove(key);
            }
        }
        left.push(before);
        come.push(entry);
    }
    for link in touched {
        let before = shown.pool(pool_of(link.listener)).get(&key_of(&link));
        let before = before.filter(|entry| matches!(entry.what, What::Link(_)));
        let members = links.get(&link).map(|members| members.values().cloned().collect());
        let members: Vec<Arc<Entry>> = members.unwrap_or_default();
        if members.is_empty() {
            links.remove(&link);
        }
        left.push(before);
        come.push(self::link(&link, members));
    }
    let mut updates = Updates::new();
    // What left first: its key may be another's now.
    for entry in left.iter().flatten() {
        updates.insert((entry.pool, entry.pool_key.clone()), None);
    }
    for entry in come.iter().flatten() {
        updates.insert((entry.pool, entry.pool_key.clone()), Some(entry.clone()));
    }
    shown.apply(updates);
    let happened = left.into_iter().zip(come).flat_map(|(before, now)| happened(before, now));
    let happened: Vec<Happened> = happened.collect();
    happened.iter().for_each(log);
    shown.publish(happened);
}

/// A row as everybody sees it.
fn entry(key: &EntryKey, row: &Row, what: &What, verdict: Verdict) -> Entry {
    let verdict = match (&row.not_taken, verdict) {
        (Some(why), Verdict::Granted) => Verdict::NotTaken { why: why.clone() },
        (_, verdict) => verdict,
    };
    let (service, alias) = match what {
        What::Route(route) => {
            let link = route.balance.as_ref().map(|balance| Alias::Name(balance.link.clone()));
            (Some(route.service()), Some(link.unwrap_or_else(|| route.alias.clone())))
        }
        What::Refused(refused) => (refused.services().into_iter().next(), key.name.parse().ok()),
        What::Excluded(_) | What::Link(_) => (None, key.name.parse().ok()),
    };
    let served = match (what, &verdict, &service) {
        (What::Route(route), Verdict::Granted, Some(service)) => {
            Some((pool_of(service.listener), route.balance.is_some(), key_of(service)))
        }
        _ => None,
    };
    let (pool, pool_key) = match served {
        Some((pool, false, key)) => (pool, key),
        Some((pool, true, _)) => (pool, key.to_smolstr()),
        None => (PoolKind::Excluded, key.to_smolstr()),
    };
    Entry {
        key: key.clone(),
        pool,
        pool_key,
        alias,
        service,
        what: what.clone(),
        verdict,
        health: row.health.clone(),
    }
}

/// Whether nothing is to be seen of a change.
fn is_same(before: &Entry, now: &Entry) -> bool {
    let same = match (&before.what, &now.what) {
        (What::Route(before), What::Route(now)) => Arc::ptr_eq(before, now),
        (What::Excluded(before), What::Excluded(now)) => Arc::ptr_eq(before, now),
        (What::Refused(before), What::Refused(now)) => Arc::ptr_eq(before, now),
        _ => false,
    };
    let place = |entry: &Entry| (entry.pool, entry.pool_key.clone());
    same && before.verdict == now.verdict
        && place(before) == place(now)
        && Arc::ptr_eq(&before.health, &now.health)
}

/// A link as everybody sees it; nothing without members.
fn link(service: &Service, members: Vec<Arc<Entry>>) -> Option<Arc<Entry>> {
    let provider = members.first()?.key.provider.clone();
    Some(Arc::new(Entry {
        key: EntryKey { provider, name: service.name.as_str().into(), container: None },
        pool: pool_of(service.listener),
        pool_key: key_of(service),
        alias: Some(Alias::Name(service.name.clone())),
        service: Some(service.clone()),
        what: What::Link(members),
        verdict: Verdict::Granted,
        health: Arc::default(),
    }))
}

/// The link that an entry is a served member of.
fn link_of(entry: &Entry) -> Option<Service> {
    entry.service.clone().filter(|_| entry.is_active() && entry.is_member())
}

fn pool_of(listener: Listener) -> PoolKind {
    match listener {
        Listener::Http => PoolKind::Http,
        Listener::Tcp | Listener::Udp => PoolKind::Stream,
    }
}

/// The key of what is served by itself. Streams have one alias each, wherever they are asked for.
fn key_of(service: &Service) -> SmolStr {
    match (service.listener, service.is_wildcard()) {
        (Listener::Http, _) => service.to_smolstr(),
        (Listener::Tcp | Listener::Udp, false) => service.name.as_str().into(),
        (Listener::Tcp | Listener::Udp, true) => smol_str::format_smolstr!("*.{}", service.name),
    }
}

/// What is said of an entry that was one thing and is another.
fn happened(before: Option<Arc<Entry>>, now: Option<Arc<Entry>>) -> Vec<Happened> {
    match (before, now) {
        (Some(before), Some(now)) if before.pool == now.pool => vec![Happened::Reloaded(now)],
        (before, now) => {
            let left = before.map(Happened::Removed);
            left.into_iter().chain(now.map(Happened::Added)).collect()
        }
    }
}

fn log(happened: &Happened) {
    if let Happened::Added(entry) | Happened::Reloaded(entry) | Happened::Removed(entry) = happened
    {
        let (pool, key, action) = (entry.pool, &entry.pool_key, happened.action());
        tracing::debug!(%pool, %key, action, "a route of a pool");
    }
}

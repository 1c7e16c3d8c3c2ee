//! What the catalogue knows of each provider and each of its routes. Pure: what is found to be
//! different is told to the table by `tell`, and shown by `publish`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rutter_route::{NextHop, Service, Session};
use smol_str::SmolStr;

use super::{ProviderInfo, Said};
use crate::conflict::{Change, Claim, Claimant, Claims, Judgement};
use crate::monitor::HealthCell;
use crate::registry::{Entry, EntryKey, ProviderState, Verdict, What};
use crate::{ContainerId, ProviderId, Remark};

/// All there is.
#[derive(Debug, Default)]
pub(super) struct Rows {
    providers: BTreeMap<Arc<ProviderId>, Provider>,
    by_order: BTreeMap<u32, Arc<ProviderId>>,
    claims: Claims,
}

/// A provider and its rows.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) id: Arc<ProviderId>,
    pub(super) order: u32,
    pub(super) session: Session,
    pub(super) state: ProviderState,
    pub(super) said: Said,
    pub(super) remarks: Arc<[Remark]>,
    pub(super) rows: HashMap<EntryKey, Row, RandomState>,
}

/// One route of a provider.
#[derive(Debug)]
pub(super) struct Row {
    /// What it is; `None`: it goes, and only what was told of it is left.
    pub(super) what: Option<What>,
    /// Whether it is another than what the table was told.
    pub(super) is_new: bool,
    /// The destinations at which the table has it.
    pub(super) told: Vec<Service>,
    /// Why it is denied there, as the table was told.
    pub(super) denied: Option<SmolStr>,
    /// The next hop that can't be reached, as its provider says.
    pub(super) unresolved: Option<NextHop>,
    /// Why the table doesn't have it.
    pub(super) not_taken: Option<SmolStr>,
    /// What the table was told of its health.
    pub(super) health_told: Told,
    /// How it is; watched or not.
    pub(super) health: Arc<HealthCell>,
    /// Whether a monitor watches it.
    pub(super) is_watched: bool,
    /// What everybody sees of it.
    pub(super) entry: Option<Arc<Entry>>,
}

/// What the table was told of a route's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Told {
    #[default]
    Unknown,
    Healthy,
    Unhealthy,
}

/// Rows to look at again, the strongest provider's first.
pub(super) type Dirty = BTreeSet<EntryKey>;

impl Rows {
    pub(super) fn provider(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.get(id)
    }

    pub(super) fn provider_mut(&mut self, id: &ProviderId) -> Option<&mut Provider> {
        self.providers.get_mut(id)
    }

    /// The providers in the order of the configuration.
    pub(super) fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.by_order.values().filter_map(|id| self.providers.get(id))
    }

    /// Who has a place in the configuration.
    pub(super) fn at(&self, order: u32) -> Option<&Arc<ProviderId>> {
        self.by_order.get(&order)
    }

    pub(super) fn row(&self, key: &EntryKey) -> Option<&Row> {
        self.providers.get(&key.provider)?.rows.get(key)
    }

    pub(super) fn row_mut(&mut self, key: &EntryKey) -> Option<&mut Row> {
        self.providers.get_mut(&key.provider)?.rows.get_mut(key)
    }

    /// A provider comes. Its place is nobody else's.
    pub(super) fn add(&mut self, info: ProviderInfo, session: Session) {
        let id = Arc::new(info.id);
        self.by_order.insert(info.order, id.clone());
        let provider = Provider {
            id: id.clone(),
            order: info.order,
            session,
            state: ProviderState::NotYet,
            said: Said::default(),
            remarks: Arc::default(),
            rows: HashMap::default(),
        };
        self.providers.insert(id, provider);
    }

    /// A provider has another place in the configuration, which is nobody else's.
    pub(super) fn move_to(&mut self, id: &ProviderId, order: u32) -> Dirty {
        let Some(provider) = self.providers.get_mut(id) else { return Dirty::new() };
        let before = std::mem::replace(&mut provider.order, order);
        self.by_order.remove(&before);
        self.by_order.insert(order, provider.id.clone());
        let mut changes = Vec::new();
        for (key, row) in &provider.rows {
            let Some(what) = &row.what else { continue };
            changes.push(Change::Remove(claimant(key, before)));
            changes.extend(claim(what, key, order).map(Change::Put));
        }
        self.judge(changes)
    }

    /// A provider goes, with rows of which nothing is told any more.
    pub(super) fn remove(&mut self, id: &ProviderId) {
        if let Some(provider) = self.providers.remove(id) {
            self.by_order.remove(&provider.order);
        }
    }

    /// Makes differences, and judges. Returns every row to look at.
    pub(super) fn take(&mut self, differences: Vec<(EntryKey, Option<What>)>) -> Dirty {
        let mut dirty = Dirty::new();
        let mut changes = Vec::with_capacity(differences.len());
        for (key, what) in differences {
            let Some(provider) = self.providers.get_mut(&key.provider) else { continue };
            let change = match what.as_ref().and_then(|what| claim(what, &key, provider.order)) {
                Some(claim) => Change::Put(claim),
                None => Change::Remove(claimant(&key, provider.order)),
            };
            changes.push(change);
            if what.is_none() && !provider.rows.contains_key(&key) {
                continue;
            }
            let row = provider.rows.entry(key.clone()).or_default();
            row.what = what;
            row.is_new = true;
            dirty.insert(key);
        }
        dirty.append(&mut self.judge(changes));
        dirty
    }

    fn judge(&mut self, changes: Vec<Change>) -> Dirty {
        let judged = self.claims.change(changes);
        judged.into_iter().filter_map(|(by, _)| self.key_of(&by)).collect()
    }

    fn key_of(&self, claimant: &Claimant) -> Option<EntryKey> {
        let provider = self.providers.get(self.by_order.get(&claimant.provider)?)?;
        let (name, container) = &claimant.route;
        let container = container.as_ref().map(|id| ContainerId::new(id.as_str()));
        Some(provider.key(name, container.as_ref()))
    }

    /// What became of a row's claim; one that claims nothing has all that it wants.
    pub(super) fn verdict(&self, key: &EntryKey) -> Verdict {
        let Some(provider) = self.providers.get(&key.provider) else { return Verdict::Granted };
        match self.claims.judgement(&claimant(key, provider.order)) {
            Some(Judgement::Denied { place, winner }) => {
                let why = super::why::denied(self, key, place, winner);
                Verdict::Denied { place: place.clone(), winner: winner.clone(), why }
            }
            Some(Judgement::Granted) | None => Verdict::Granted,
        }
    }

    /// The row of a claimant.
    pub(super) fn of_claimant(&self, claimant: &Claimant) -> Option<(EntryKey, &Row)> {
        let key = self.key_of(claimant)?;
        let row = self.row(&key)?;
        Some((key, row))
    }
}

impl Provider {
    pub(super) fn key(&self, name: &str, container: Option<&ContainerId>) -> EntryKey {
        let (provider, container) = (self.id.clone(), container.cloned());
        EntryKey { provider, name: name.into(), container }
    }

    /// Counts an entry in that came, and one out that went.
    pub(super) fn count(&mut self, before: Option<&Entry>, now: Option<&Entry>) {
        let said = &mut self.said;
        for (entry, comes) in [(before, false), (now, true)] {
            let Some(entry) = entry else { continue };
            let count = |n: &mut usize| *n = if comes { *n + 1 } else { n.saturating_sub(1) };
            match entry.what {
                What::Route(_) => count(&mut said.n_routes),
                What::Refused(_) => count(&mut said.n_refused),
                What::Excluded(_) => count(&mut said.n_excluded),
                What::Link(_) => {}
            }
            match (&entry.verdict, &entry.what) {
                (Verdict::Denied { .. }, What::Route(_)) => count(&mut said.n_denied),
                (Verdict::NotTaken { .. }, _) => count(&mut said.n_not_taken),
                _ => {}
            }
        }
    }
}

impl Default for Row {
    fn default() -> Self {
        Self {
            what: None,
            is_new: true,
            told: Vec::new(),
            denied: None,
            unresolved: None,
            not_taken: None,
            health_told: Told::Unknown,
            health: Arc::default(),
            is_watched: false,
            entry: None,
        }
    }
}

fn claimant(key: &EntryKey, order: u32) -> Claimant {
    let container = key.container.as_ref().map(|id| id.as_str().to_owned());
    Claimant {
        kind: key.provider.kind().claims(),
        provider: order,
        route: (key.name.to_string(), container),
    }
}

fn claim(what: &What, key: &EntryKey, order: u32) -> Option<Claim> {
    let kind = key.provider.kind().claims();
    match what {
        What::Route(route) => Some(Claim::of(route, kind, order)),
        What::Refused(refused) => {
            Some(Claim::of_refused(refused, kind, order)).filter(|claim| !claim.places.is_empty())
        }
        What::Excluded(_) | What::Link(_) => None,
    }
}

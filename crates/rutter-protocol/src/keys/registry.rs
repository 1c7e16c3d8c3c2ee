//! The registry of keys.
//!
//! Two voices say which keys a cluster has: the *provider* (the operator's file, command or URL) and
//! the *cluster itself*, by key sets under a key that counts already. Who spoke last in a new way
//! wins: a provider that repeats what it said takes back nothing that the cluster has announced
//! since, and a provider that says something else replaces the keys, so an operator can shut out a
//! thief who rotated a stolen key. A set that the provider's new keys still vouch for stays.
//!
//! Keys that have ended stay on record until they are replaced, so a clock that jumps and comes
//! back costs nothing. Of [`MAX_KEYS`] those that ended first give way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rutter_route::{ClusterId, Deadline, Now, Wall};

use super::snapshot::ClusterKeys;
use super::{KeyChange, KeyId, KeyRecord, KeySet, KeySnapshot, MAX_CLUSTERS, MAX_KEYS, PublicKey};
use crate::wire::Signature;

/// What becomes of a key set that is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// Its signature, by this key, is to be verified, then [`KeyRegistry::apply`].
    Verify(PublicKey),
    /// It is what is known, or older.
    Known,
    /// No active key of that cluster signed it.
    NotVouched,
    /// It makes no sense: its primary isn't among its keys or has ended, or it has more than
    /// [`MAX_KEYS`].
    Invalid,
}

/// See the module's head.
#[derive(Debug, Clone, Default)]
pub struct KeyRegistry {
    clusters: BTreeMap<ClusterId, Keys>,
    /// When which cluster's keys end, of those that count.
    ends: BTreeSet<(Wall, ClusterId)>,
    /// The latest wall time at which [`KeyRegistry::expire`] was asked: an earlier one means that
    /// the clock jumped back, and ended keys may count again.
    asked: Wall,
}

/// All that is known of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Keys {
    pub(super) primary: Option<KeyId>,
    /// Sorted by id.
    pub(super) known: Vec<Known>,
    /// What the provider said last, to tell a repetition from news.
    pub(super) provided: Vec<(PublicKey, Option<Wall>)>,
    /// The last set of the cluster that was applied, as it can be relayed.
    pub(super) set: Option<KeySet>,
    /// No set older than this one is taken.
    pub(super) floor: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: KeyId,
    pub(super) record: KeyRecord,
    /// Whether it counted when [`KeyRegistry::expire`] was asked last, or since it came.
    pub(super) counted: bool,
}

impl KeyRecord {
    /// Whether it counts: at the instant of its end it is dead.
    pub fn is_active(&self, now: Now) -> bool {
        self.expires_at.is_none_or(|end| now.wall < end)
    }
}

impl KeyRegistry {
    /// The active keys of a cluster, the primary first, then by id.
    pub fn active(&self, now: Now, of: &ClusterId) -> Vec<KeyRecord> {
        let Some(keys) = self.clusters.get(of) else { return Vec::new() };
        let mut active: Vec<&Known> =
            keys.known.iter().filter(|known| known.record.is_active(now)).collect();
        active.sort_by_key(|known| (Some(known.id) != keys.primary, known.id));
        active.into_iter().map(|known| known.record.clone()).collect()
    }

    /// The active key of a cluster with that id.
    pub fn find(&self, now: Now, of: &ClusterId, id: &KeyId) -> Option<PublicKey> {
        let known = self.clusters.get(of)?.find(id)?;
        known.record.is_active(now).then_some(known.record.key)
    }

    /// By which key a cluster signs: its primary, while that counts.
    pub fn primary(&self, now: Now, of: &ClusterId) -> Option<(KeyId, PublicKey)> {
        let id = self.clusters.get(of)?.primary?;
        self.find(now, of, &id).map(|key| (id, key))
    }

    /// When a key of a cluster ends, if it has an end.
    pub fn end_of(&self, of: &ClusterId, id: &KeyId) -> Option<Wall> {
        self.clusters.get(of)?.find(id)?.record.expires_at
    }

    /// Clusters with keys on record, in order.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterId> {
        self.clusters.keys()
    }

    /// The last set of a cluster that was vouched for, to be told to who hasn't heard it.
    pub fn set_of(&self, of: &ClusterId) -> Option<&KeySet> {
        self.clusters.get(of)?.set.as_ref()
    }

    /// All such sets, by cluster.
    pub fn sets(&self) -> impl Iterator<Item = &KeySet> {
        self.clusters.values().filter_map(|keys| keys.set.as_ref())
    }

    /// What a provider says of a cluster: these are its keys, the first the primary. None at all
    /// takes every key of the cluster back. Over [`MAX_KEYS`] or [`MAX_CLUSTERS`] the rest is
    /// refused, and counted in the change.
    pub fn provide(&mut self, now: Now, of: &ClusterId, keys: Vec<KeyRecord>) -> KeyChange {
        let mut given = Vec::new();
        for record in keys {
            if given.iter().all(|had: &KeyRecord| had.key != record.key) {
                given.push(record);
            }
        }
        let refused = given.len().saturating_sub(MAX_KEYS);
        given.truncate(MAX_KEYS);
        if given.is_empty() && !self.clusters.contains_key(of) {
            return KeyChange::none(of);
        }
        if !self.has_room(of) {
            return KeyChange { n_refused: given.len(), ..KeyChange::none(of) };
        }
        let words: Vec<_> = given.iter().map(|record| (record.key, record.expires_at)).collect();
        if self.clusters.get(of).is_some_and(|keys| keys.provided == words) {
            return KeyChange { n_refused: refused, ..KeyChange::none(of) };
        }
        let change = self.change(now, of, |keys| keys.replace(now, given, words));
        if self.clusters.get(of).is_some_and(Keys::is_forgotten) {
            self.clusters.remove(of);
        }
        KeyChange { n_refused: refused, ..change }
    }

    /// A new primary; the one before ends after the overlap (60 s in the original).
    pub fn rotate(
        &mut self,
        now: Now,
        of: &ClusterId,
        to: PublicKey,
        overlap: Duration,
    ) -> KeyChange {
        if !self.has_room(of) {
            return KeyChange { n_refused: 1, ..KeyChange::none(of) };
        }
        let end = now.plus(overlap).wall;
        self.change(now, of, |keys| {
            let before = keys.primary.filter(|id| *id != to.id());
            if let Some(known) = before.and_then(|id| keys.find_mut(&id)) {
                known.record.expires_at = Some(known.record.expires_at.map_or(end, |e| e.min(end)));
            }
            keys.insert(KeyRecord { key: to, added_at: now.wall, expires_at: None });
            keys.primary = Some(to.id());
            keys.trim();
        })
    }

    /// The set that a cluster announces: its active keys, to be signed by the one named. `None`: it
    /// has no such key. The signature is left empty.
    pub fn set_to_sign(
        &self,
        now: Now,
        of: &ClusterId,
        version: (u64, u64),
        by: KeyId,
    ) -> Option<KeySet> {
        let (primary, _) = self.primary(now, of)?;
        self.find(now, of, &by)?;
        let mut keys: Vec<_> = self
            .active(now, of)
            .into_iter()
            .map(|record| (record.key, record.expires_at))
            .collect();
        keys.sort();
        let signature = Signature([0; 64]);
        Some(KeySet { cluster: of.clone(), version, primary, keys, key: by, signature })
    }

    /// What becomes of an announced key set, before its signature is looked at.
    pub fn judge(&self, now: Now, set: &KeySet) -> Learned {
        let Some(keys) = self.clusters.get(&set.cluster) else { return Learned::NotVouched };
        // A set that the provider's news has put aside may come again, an older one may not.
        let known = match keys.set {
            Some(_) => keys.floor.is_some_and(|floor| set.version <= floor),
            None => keys.floor.is_some_and(|floor| set.version < floor),
        };
        if known {
            return Learned::Known;
        }
        let primary = set.keys.iter().find(|(key, _)| key.id() == set.primary);
        let lives = primary.is_some_and(|(_, end)| end.is_none_or(|end| now.wall < end));
        if !lives || set.keys.len() > MAX_KEYS {
            return Learned::Invalid;
        }
        match self.find(now, &set.cluster, &set.key) {
            Some(key) => Learned::Verify(key),
            None => Learned::NotVouched,
        }
    }

    /// Takes over a key set whose signature was verified.
    pub fn apply(&mut self, now: Now, set: &KeySet) -> KeyChange {
        if !matches!(self.judge(now, set), Learned::Verify(_)) {
            // Something newer came while it was being verified.
            return KeyChange::none(&set.cluster);
        }
        self.change(now, &set.cluster, |keys| {
            keys.known.retain(|known| set.keys.iter().any(|(key, _)| *key == known.record.key));
            for (key, end) in &set.keys {
                keys.insert(KeyRecord { key: *key, added_at: now.wall, expires_at: *end });
            }
            keys.primary = Some(set.primary);
            keys.floor = Some(set.version);
            keys.set = Some(set.clone());
        })
    }

    /// Clusters whose active keys have changed by time since it was last asked, in order: a key has
    /// ended, or counts again after the wall's clock jumped back.
    pub fn expire(&mut self, now: Now) -> Vec<ClusterId> {
        let jumped_back = now.wall < self.asked;
        self.asked = now.wall;
        let due: BTreeSet<ClusterId> = if jumped_back {
            self.clusters.keys().cloned().collect()
        } else {
            self.ends
                .iter()
                .take_while(|(end, _)| *end <= now.wall)
                .map(|(_, c)| c.clone())
                .collect()
        };
        let differs = |known: &Known| known.counted != known.record.is_active(now);
        let moved = |cluster: &ClusterId| {
            self.clusters.get(cluster).is_some_and(|keys| keys.known.iter().any(differs))
        };
        let changed: Vec<_> = due.into_iter().filter(moved).collect();
        for cluster in &changed {
            self.change(now, cluster, |_| ());
        }
        changed
    }

    /// When the next key ends.
    pub fn next_deadline(&self, now: Now) -> Option<Deadline> {
        let (end, _) = self.ends.first()?;
        Some(now.deadline(Duration::from_millis(end.0.saturating_sub(now.wall.0))))
    }

    /// The keys that count, in MPREG's form.
    pub fn snapshot(&self, now: Now) -> KeySnapshot {
        let mut clusters = BTreeMap::new();
        for (cluster, keys) in &self.clusters {
            let active = self.active(now, cluster);
            if active.is_empty() {
                continue;
            }
            let primary =
                keys.primary.filter(|id| active.iter().any(|record| record.key.id() == *id));
            clusters.insert(cluster.clone(), ClusterKeys { primary, keys: active });
        }
        KeySnapshot { generated_at: now.wall, clusters }
    }

    /// What an MPREG's snapshot knows.
    pub fn restore(snapshot: KeySnapshot) -> Self {
        let mut registry = Self::default();
        let now = Now { wall: snapshot.generated_at, ..Now::default() };
        for (cluster, keys) in snapshot.clusters.into_iter().take(MAX_CLUSTERS) {
            registry.change(now, &cluster, |known| {
                keys.keys.into_iter().for_each(|record| known.insert(record));
                known.primary = keys.primary;
                known.trim();
            });
        }
        registry
    }

    pub(super) fn has_room(&self, of: &ClusterId) -> bool {
        self.clusters.contains_key(of) || self.clusters.len() < MAX_CLUSTERS
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&ClusterId, &Keys)> {
        self.clusters.iter()
    }

    /// Changes one cluster's keys, and keeps `ends` in step.
    pub(super) fn change(
        &mut self,
        now: Now,
        of: &ClusterId,
        by: impl FnOnce(&mut Keys),
    ) -> KeyChange {
        let keys = self.clusters.entry(of.clone()).or_default();
        let before = keys.counted();
        for end in keys.ends() {
            self.ends.remove(&(end, of.clone()));
        }
        by(keys);
        for known in &mut keys.known {
            known.counted = known.record.is_active(now);
        }
        for end in keys.ends() {
            self.ends.insert((end, of.clone()));
        }
        let after = keys.counted();
        KeyChange {
            cluster: of.clone(),
            n_added: after.difference(&before).count(),
            n_removed: before.difference(&after).count(),
            n_refused: 0,
        }
    }
}

impl Keys {
    fn find(&self, id: &KeyId) -> Option<&Known> {
        let at = self.known.binary_search_by_key(id, |known| known.id).ok()?;
        self.known.get(at)
    }

    fn find_mut(&mut self, id: &KeyId) -> Option<&mut Known> {
        let at = self.known.binary_search_by_key(id, |known| known.id).ok()?;
        self.known.get_mut(at)
    }

    fn counted(&self) -> BTreeSet<KeyId> {
        self.known.iter().filter(|known| known.counted).map(|known| known.id).collect()
    }

    /// When those that count end.
    fn ends(&self) -> Vec<Wall> {
        self.known.iter().filter(|k| k.counted).filter_map(|k| k.record.expires_at).collect()
    }

    /// Nothing is left that anybody would miss.
    fn is_forgotten(&self) -> bool {
        self.known.is_empty() && self.provided.is_empty()
    }

    /// A key, with the end that is said now; when it came to be known stays.
    pub(super) fn insert(&mut self, record: KeyRecord) {
        let id = record.key.id();
        match self.known.binary_search_by_key(&id, |known| known.id) {
            Ok(at) => {
                if let Some(known) = self.known.get_mut(at) {
                    known.record.expires_at = record.expires_at;
                }
            }
            Err(at) => self.known.insert(at, Known { id, record, counted: false }),
        }
    }

    /// Those that end first give way, the primary last of all.
    pub(super) fn trim(&mut self) {
        while self.known.len() > MAX_KEYS {
            let order = |k: &&Known| {
                (Some(k.id) == self.primary, k.record.expires_at.unwrap_or(Wall(u64::MAX)), k.id)
            };
            let Some(first) = self.known.iter().min_by_key(order).map(|known| known.id) else {
                return;
            };
            self.known.retain(|known| known.id != first);
        }
    }

    /// The provider says something new: its keys in place of all, with the cluster's own set on top
    /// where one of them vouches for it.
    fn replace(&mut self, now: Now, given: Vec<KeyRecord>, words: Vec<(PublicKey, Option<Wall>)>) {
        let before = std::mem::replace(&mut self.provided, words);
        self.known.retain(|known| given.iter().any(|record| record.key == known.record.key));
        self.primary = given.first().map(|record| record.key.id());
        for record in given {
            self.insert(record);
        }
        let Some(set) = self.set.take() else { return };
        if !self.find(&set.key).is_some_and(|known| known.record.is_active(now)) {
            return;
        }
        for (key, end) in &set.keys {
            self.insert(KeyRecord { key: *key, added_at: now.wall, expires_at: *end });
        }
        // What the provider said before the set, and the set left out, stays gone.
        self.known.retain(|known| {
            let key = known.record.key;
            set.keys.iter().any(|(k, _)| *k == key) || !before.iter().any(|(k, _)| *k == key)
        });
        self.primary = Some(set.primary);
        self.set = Some(set);
        self.trim();
    }
}

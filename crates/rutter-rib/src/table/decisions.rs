//! What people and rules decided: on (source, destination), on one path of it, or on a whole
//! source.
//!
//! It outlives route and session; a deleted source's decisions go with it.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use rutter_route::{By, Decision, Destination, PathId, SourceId, Wall, Word};

/// All that is decided on one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// True: approved; false: revoked.
    pub approval: Option<Word<bool>>,
    /// Its preference.
    pub preference: Option<Word<u32>>,
    /// It is to be used last.
    pub drain: Option<Word<()>>,
}

impl Decided {
    fn is_empty(&self) -> bool {
        self.approval.is_none() && self.preference.is_none() && self.drain.is_none()
    }

    /// Takes a word in. A rule never overrules a person, and takes back only what rules said.
    fn take(&mut self, now: Wall, what: Decision, by: By, why: String) {
        let rule = matches!(by, By::Rule(_));
        match what {
            Decision::Approve => put(&mut self.approval, Word { is: true, by, why, at: now }),
            Decision::Revoke => put(&mut self.approval, Word { is: false, by, why, at: now }),
            Decision::Prefer(is) => put(&mut self.preference, Word { is, by, why, at: now }),
            Decision::Drain => put(&mut self.drain, Word { is: (), by, why, at: now }),
            Decision::Unprefer => take_back(&mut self.preference, rule),
            Decision::Undrain => take_back(&mut self.drain, rule),
            Decision::Clear if rule => {
                take_back(&mut self.approval, rule);
                take_back(&mut self.preference, rule);
                take_back(&mut self.drain, rule);
            }
            Decision::Clear => *self = Self::default(),
        }
    }
}

/// A rule takes back only what rules said.
fn take_back<T>(slot: &mut Option<Word<T>>, rule: bool) {
    slot.take_if(|word| !rule || !word.is_persons());
}

/// Puts a word where the one before isn't a person's and the new one a rule's.
fn put<T>(slot: &mut Option<Word<T>>, word: Word<T>) {
    if word.is_persons() || !slot.as_ref().is_some_and(Word::is_persons) {
        *slot = Some(word);
    }
}

/// What a decision is on, of a source's.
#[derive(Debug)]
pub(super) enum On<'a, D> {
    Source,
    Destination(&'a D),
    Path(&'a D, &'a PathId),
}

impl<D> Clone for On<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for On<'_, D> {}

impl<'a, D> On<'a, D> {
    pub(super) fn destination(self) -> Option<&'a D> {
        match self {
            On::Source => None,
            On::Destination(d) | On::Path(d, _) => Some(d),
        }
    }

    pub(super) fn path(self) -> Option<&'a PathId> {
        match self {
            On::Source | On::Destination(_) => None,
            On::Path(_, path) => Some(path),
        }
    }
}

#[derive(Debug)]
struct OfSource<D> {
    whole: Decided,
    on: HashMap<D, Decided, foldhash::fast::FixedState>,
    /// Few sources have a destination's paths decided on apart from each other.
    on_paths: HashMap<D, BTreeMap<PathId, Decided>, foldhash::fast::FixedState>,
}

impl<D: Destination> OfSource<D> {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.on.is_empty() && self.on_paths.is_empty()
    }

    fn get(&self, on: On<'_, D>) -> Option<&Decided> {
        match on {
            On::Source => Some(&self.whole).filter(|whole| !whole.is_empty()),
            On::Destination(d) => self.on.get(d),
            On::Path(d, path) => self.on_paths.get(d)?.get(path),
        }
    }

    fn entry(&mut self, on: On<'_, D>) -> &mut Decided {
        match on {
            On::Source => &mut self.whole,
            On::Destination(d) => self.on.entry(d.clone()).or_default(),
            On::Path(d, path) => {
                self.on_paths.entry(d.clone()).or_default().entry(path.clone()).or_default()
            }
        }
    }

    /// Forgets that there is nothing.
    fn drop_empty(&mut self, on: On<'_, D>) {
        match on {
            On::Source => {}
            On::Destination(d) => drop(self.on.remove(d)),
            On::Path(d, path) => {
                if let Some(paths) = self.on_paths.get_mut(d) {
                    paths.remove(path);
                    if paths.is_empty() {
                        self.on_paths.remove(d);
                    }
                }
            }
        }
    }

    fn len(&self) -> usize {
        let on_paths: usize = self.on_paths.values().map(BTreeMap::len).sum();
        self.on.len() + on_paths + usize::from(!self.whole.is_empty())
    }
}

/// All decisions of a table.
#[derive(Debug)]
pub(super) struct Decisions<D> {
    of: HashMap<SourceId, OfSource<D>, foldhash::fast::FixedState>,
    n: usize,
    state: foldhash::fast::FixedState,
}

impl<D: Destination> Decisions<D> {
    pub(super) fn new(seed: u64) -> Self {
        let state = foldhash::fast::FixedState::with_seed(seed);
        Self { of: HashMap::with_hasher(state.clone()), n: 0, state }
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }

    pub(super) fn has(&self, source: &SourceId) -> bool {
        self.of.contains_key(source)
    }

    /// Takes a decision in; false if there is no room for a new one.
    pub(super) fn take(
        &mut self,
        now: Wall,
        source: &SourceId,
        on: On<'_, D>,
        what: Decision,
        (by, why): (By, String),
        bound: usize,
    ) -> bool {
        let known = self.of.get(source).is_some_and(|of| of.get(on).is_some());
        let takes_back = matches!(what, Decision::Clear | Decision::Unprefer | Decision::Undrain);
        if takes_back && !known {
            return true;
        }
        if !known && self.n >= bound {
            return false;
        }
        let state = self.state.clone();
        let of = self.of.entry(source.clone()).or_insert_with(|| OfSource {
            whole: Decided::default(),
            on: HashMap::with_hasher(state.clone()),
            on_paths: HashMap::with_hasher(state.clone()),
        });
        let decided = of.entry(on);
        decided.take(now, what, by, why);
        let empty = decided.is_empty();
        self.n = if known { self.n } else { self.n + 1 };
        if empty {
            self.n -= 1;
            of.drop_empty(on);
            self.drop_if_empty(source);
        }
        true
    }

    fn drop_if_empty(&mut self, source: &SourceId) {
        if self.of.get(source).is_some_and(OfSource::is_empty) {
            self.of.remove(source);
        }
    }

    /// What is decided on the path, on the destination, and on the whole source.
    pub(super) fn on(&self, source: &SourceId, d: &D, path: &PathId) -> [Option<&Decided>; 3] {
        let Some(of) = self.of.get(source) else { return [None; 3] };
        [On::Path(d, path), On::Destination(d), On::Source].map(|on| of.get(on))
    }

    /// What is decided on the destination, and on the whole source.
    pub(super) fn on_destination(&self, source: &SourceId, d: &D) -> [Option<&Decided>; 2] {
        let Some(of) = self.of.get(source) else { return [None; 2] };
        [On::Destination(d), On::Source].map(|on| of.get(on))
    }

    /// What is decided on the whole source.
    pub(super) fn on_whole(&self, source: &SourceId) -> Option<&Decided> {
        self.of.get(source).map(|of| &of.whole).filter(|w| !w.is_empty())
    }

    /// A withdrawal: the approval of this path, or of this destination, is cleared.
    pub(super) fn clear_approval(&mut self, source: &SourceId, on: On<'_, D>) {
        let Some(of) = self.of.get_mut(source) else { return };
        if of.get(on).is_none() {
            return;
        }
        let decided = of.entry(on);
        // A revocation stays: it was never an approval to be cleared.
        decided.approval.take_if(|word| word.is);
        if decided.is_empty() {
            of.drop_empty(on);
            self.n -= 1;
            self.drop_if_empty(source);
        }
    }

    /// A source that is deleted takes its decisions along.
    pub(super) fn forget(&mut self, source: &SourceId) {
        if let Some(of) = self.of.remove(source) {
            self.n -= of.len();
        }
    }
}

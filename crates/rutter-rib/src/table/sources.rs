//! The sources of a table: their sessions, states and what is counted by them.

use hashbrown::HashMap;
use rutter_route::{
    Deadline, Health, Incarnation, Left, Observer, OwnerId, Session, SourceId, SourceInfo,
    SourceState,
};

use crate::parts::members::Members;
use crate::parts::slots::Slots;
use crate::parts::wheel::{NEVER, Tick};

use super::candidate::{Candidate, Flags, NONE};

/// What became of a source, as selection reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Up,
    Draining,
    Offline,
    Stale,
    Gone,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Offline => "offline",
            Self::Stale => "stale",
            Self::Gone => "gone",
        }
    }

    pub(super) fn of(state: &SourceState) -> Self {
        match state {
            SourceState::Up(_) => Self::Up,
            SourceState::Draining => Self::Draining,
            SourceState::Offline { .. } => Self::Offline,
            SourceState::KeepStale { .. } => Self::Stale,
            SourceState::Gone => Self::Gone,
        }
    }
}

/// Routes that are as good as withdrawn, although no walk has reached all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweep {
    /// Routes of older refreshes than this go.
    pub(super) refresh: u16,
    pub(super) left: Left,
    /// Routes with a lease of their own stay.
    pub(super) spares_leased: bool,
    /// It came while a pass was under way, which may have missed some.
    pub(super) fresh: bool,
}

/// What an observer said.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) by: Observer,
    pub(super) is: Health,
}

impl Verdict {
    /// When it ends by itself.
    pub(super) fn ends(&self) -> Option<Deadline> {
        match &self.is {
            Health::Unhealthy { until, .. } => *until,
            _ => None,
        }
    }
}

/// What a walk does with each route of a source, besides sweeping and compacting.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Marks it: its standing may be another.
    pub(super) mark: bool,
    /// Takes note of a flap: the session was lost.
    pub(super) lost: bool,
    /// Runs import again: what policy matches on is another.
    pub(super) import: bool,
    /// Tells it anew: what export policy and views match on is another.
    pub(super) tell: bool,
}

impl Look {
    pub(super) const MARK: Self = Self { mark: true, lost: false, import: false, tell: false };

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            mark: self.mark | other.mark,
            lost: self.lost | other.lost,
            import: self.import | other.import,
            tell: self.tell | other.tell,
        }
    }

    pub(super) fn is_any(self) -> bool {
        self.mark | self.lost | self.import | self.tell
    }
}

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: SourceId,
    /// The id as policy names it.
    pub(super) text: String,
    pub(super) incarnation: Incarnation,
    pub(super) info: SourceInfo,
    pub(super) owner: u32,
    pub(super) phase: Phase,
    pub(super) why: String,
    /// When the source's lease, or its time as stale, ends.
    pub(super) deadline: Tick,
    /// When its timer fires; `NEVER`: none is set.
    pub(super) timer: Tick,
    pub(super) refresh: u16,
    /// The count at which the last refresh began: a lease that ends meanwhile counts one more.
    pub(super) refresh_from: u16,
    /// Between the beginning and the end of a refresh.
    pub(super) refreshing: bool,
    /// Routes of the session before stand as stale until this one's refresh ends.
    pub(super) carried_over: bool,
    /// The count of refreshes at which this session began.
    pub(super) session_from: u16,
    pub(super) sweeps: Vec<Sweep>,
    /// Routes that stand.
    pub(super) n_live: u32,
    pub(super) groups: Vec<u32>,
    /// The event of its last change of state.
    pub(super) event: u64,
    /// The event of the last decision about it.
    pub(super) decision_event: u64,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) unhealthy: bool,
    /// Its routes must be looked at again, by a walk that is queued or under way.
    pub(super) queued: bool,
    pub(super) look: Look,
    /// What came to be looked for while a pass was under way.
    pub(super) look_again: Look,
    /// Decisions exist about it or its routes.
    pub(super) decided: bool,
    /// Candidates in the table, those that left since the last commit too.
    pub(super) n_held: u32,
    /// Refreshes that began and never ended, since one did.
    pub(super) n_unended: u16,
}

impl Source {
    /// Whether a pending sweep takes the candidate.
    #[inline]
    pub(super) fn swept(&self, candidate: &Candidate) -> Option<Left> {
        if self.sweeps.is_empty() {
            return None;
        }
        let age = self.refresh.wrapping_sub(candidate.refresh);
        let takes = |s: &&Sweep| {
            age > self.refresh.wrapping_sub(s.refresh)
                && !(s.spares_leased && candidate.flags.has(Flags::OWN_LEASE))
        };
        self.sweeps.iter().find(takes).map(|s| s.left)
    }

    /// Whether the candidate is the session's before, and this one hasn't said it yet.
    pub(super) fn carries_over(&self, candidate: &Candidate) -> bool {
        let age = self.refresh.wrapping_sub(candidate.refresh);
        self.carried_over && age > self.refresh.wrapping_sub(self.session_from)
    }

    /// Adds a sweep of what is older than a refresh; one that spares the same routes is replaced,
    /// since the newer takes more.
    pub(super) fn sweep(&mut self, refresh: u16, left: Left, spares_leased: bool) {
        let sweep = Sweep { refresh, left, spares_leased, fresh: self.queued };
        self.sweeps.retain(|s| s.spares_leased != spares_leased);
        self.sweeps.push(sweep);
    }
}

/// The routes of one source over one next hop.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) source: u32,
    pub(super) hop: u32,
    pub(super) members: Members,
    /// What a pass under way has not seen yet.
    pub(super) rest: Members,
    /// How many chunks a pass that only marks has read.
    pub(super) n_read: usize,
    pub(super) n_live: u32,
    pub(super) parity: bool,
    /// Its place among the groups of its source, and of its hop.
    pub(super) in_source: usize,
    pub(super) in_hop: usize,
    /// It is listed as having no route.
    pub(super) is_idle: bool,
}

#[derive(Debug)]
struct Owner {
    id: OwnerId,
    n_sources: u32,
    n_routes: usize,
}

/// All sources of a table.
#[derive(Debug)]
pub(super) struct Sources {
    by_id: HashMap<SourceId, u32, foldhash::fast::FixedState>,
    slots: Slots<Source>,
    owners_by_id: HashMap<OwnerId, u32, foldhash::fast::FixedState>,
    owners: Slots<Owner>,
    /// The session that spoke last: sources speak in bursts.
    last: u32,
}

impl std::ops::Index<u32> for Sources {
    type Output = Source;

    #[inline]
    fn index(&self, ix: u32) -> &Source {
        &self.slots[ix]
    }
}

impl std::ops::IndexMut<u32> for Sources {
    #[inline]
    fn index_mut(&mut self, ix: u32) -> &mut Source {
        &mut self.slots[ix]
    }
}

impl Sources {
    pub(super) fn new(seed: u64) -> Self {
        let state = foldhash::fast::FixedState::with_seed(seed);
        Self {
            by_id: HashMap::with_hasher(state.clone()),
            slots: Slots::new(),
            owners_by_id: HashMap::with_hasher(state.clone()),
            owners: Slots::new(),
            last: NONE,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn find(&self, id: &SourceId) -> Option<u32> {
        if self.last != NONE && self.slots[self.last].id == *id {
            return Some(self.last);
        }
        self.by_id.get(id).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.by_id.values().map(|ix| &self.slots[*ix])
    }

    /// The source of a session that is the one that counts, and may speak.
    #[inline]
    pub(super) fn speaking(&mut self, session: &Session) -> Result<u32, Option<Incarnation>> {
        if self.last != NONE {
            let last = &self.slots[self.last];
            if last.incarnation == session.incarnation
                && last.id == session.source
                && matches!(last.phase, Phase::Up | Phase::Draining)
            {
                return Ok(self.last);
            }
        }
        let ix = self.find(&session.source).ok_or(None)?;
        let source = &self.slots[ix];
        if source.incarnation != session.incarnation {
            return Err(Some(source.incarnation));
        }
        if !matches!(source.phase, Phase::Up | Phase::Draining) {
            return Err(None);
        }
        self.last = ix;
        Ok(ix)
    }

    pub(super) fn add(&mut self, session: &Session) -> u32 {
        let ix = self.slots.insert(Source {
            id: session.source.clone(),
            text: session.source.to_string(),
            incarnation: session.incarnation,
            info: SourceInfo::default(),
            owner: NONE,
            phase: Phase::Gone,
            why: String::new(),
            deadline: NEVER,
            timer: NEVER,
            refresh: 0,
            refresh_from: 0,
            refreshing: false,
            carried_over: false,
            session_from: 0,
            sweeps: Vec::new(),
            n_live: 0,
            groups: Vec::new(),
            event: 0,
            decision_event: 0,
            verdicts: Vec::new(),
            unhealthy: false,
            queued: false,
            look: Look::default(),
            look_again: Look::default(),
            decided: false,
            n_held: 0,
            n_unended: 0,
        });
        self.by_id.insert(session.source.clone(), ix);
        ix
    }

    /// Forgets a source that has no route left.
    pub(super) fn remove(&mut self, ix: u32) {
        self.set_owner(ix, None);
        if self.last == ix {
            self.last = NONE;
        }
        self.by_id.remove(&self.slots[ix].id);
        self.slots.free(ix);
    }

    /// Whether an id in hand, from a timer or a queue, still means a source.
    pub(super) fn is_live(&self, ix: u32) -> bool {
        ix < self.slots.span() && self.by_id.get(&self.slots[ix].id) == Some(&ix)
    }

    pub(super) fn set_owner(&mut self, ix: u32, owner: Option<&OwnerId>) {
        let n_routes = self.slots[ix].n_live as usize;
        let before = self.slots[ix].owner;
        if before != NONE {
            let owner = &mut self.owners[before];
            owner.n_routes -= n_routes;
            owner.n_sources -= 1;
            if owner.n_sources == 0 {
                self.owners_by_id.remove(&owner.id);
                self.owners.free(before);
            }
        }
        self.slots[ix].owner = owner.map_or(NONE, |id| {
            let at = match self.owners_by_id.get(id) {
                Some(at) => *at,
                None => {
                    let new = Owner { id: id.clone(), n_sources: 0, n_routes: 0 };
                    let at = self.owners.insert(new);
                    self.owners_by_id.insert(id.clone(), at);
                    at
                }
            };
            self.owners[at].n_sources += 1;
            self.owners[at].n_routes += n_routes;
            at
        });
    }

    /// How many routes the owner of a source has over all its sources.
    pub(super) fn owner_routes(&self, ix: u32) -> usize {
        match self.slots[ix].owner {
            NONE => 0,
            owner => self.owners[owner].n_routes,
        }
    }

    #[inline]
    pub(super) fn count_route(&mut self, ix: u32, comes: bool) {
        let source = &mut self.slots[ix];
        let owner = source.owner;
        if comes {
            source.n_live += 1;
        } else {
            source.n_live -= 1;
        }
        if owner != NONE {
            let n = &mut self.owners[owner].n_routes;
            *n = if comes { *n + 1 } else { *n - 1 };
        }
    }
}

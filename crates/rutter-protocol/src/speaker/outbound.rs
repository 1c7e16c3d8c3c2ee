//! What neighbours are told: outlets, batches, claims along, signatures.
//!
//! ```text
//!   outlets ──tells──▶ draft ──claims signed──▶ ready ──▶ sealed ──signed──▶ sent
//!   renewals, keys, .. ──┘      (waits)        (bytes)    (waits)
//! ```
//!
//! A neighbour's outlet a scope yields what makes it true; that becomes messages of a batch, which
//! goes out when it is signed. A tell whose claim isn't signed yet keeps its draft waiting. One draft
//! and one batch a neighbour are under way, so what waits stays in the outlet, where later overwrites
//! earlier; what is to be said beside routes (renewed claims, keys, refreshes) is kept as *that* it is
//! to be said, and looked up when it is. A queue of messages a neighbour was rejected: it grows with
//! a slow reader, and says what isn't so any more.
//!
//! Bounds: [`TELLS`] destinations a draft; beside it one entry a destination told, and as many
//! claims to be sent alone.

mod draft;
mod seal;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use hashbrown::HashMap;
use rutter_rib::{Book, BookChanges, Depth, Kind, Outlet, OutletSpec, Progress, Rules, ViewId};
use rutter_route::{
    AnyDestination, ClusterId, Deadline, Destination, DestinationKind, Mono, Now, PathId, TableName,
};
use smallvec::SmallVec;

use super::neighbour::{AnyOutlet, Neighbour};
use super::{Output, Speaker, Ticket};
use crate::claims::Claim;
use crate::wire::{Scope, Signature};

use draft::Draft;
use seal::Sealed;
pub(super) use seal::sign_failed;

/// The most destinations of one draft.
pub(super) const TELLS: usize = 512;

/// The most claims that are returned to those who said older ones, waiting at a time.
const MAX_HELD: usize = 1024;

/// How often a claim is returned to one neighbour.
const HELD_PACE: std::time::Duration = std::time::Duration::from_secs(1);

/// Which claim: of this scope, by this originator, on this destination.
pub(crate) type ClaimKey = (Scope, ClusterId, AnyDestination);

/// What a neighbour was told of one destination.
#[derive(Debug)]
struct ToldOf {
    /// Of the first path.
    originator: ClusterId,
    /// The paths, by their ids.
    paths: SmallVec<[PathId; 1]>,
}

type Told = HashMap<AnyDestination, ToldOf, foldhash::fast::FixedState>;

/// What is under way to one neighbour beside its outlets.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    told: BTreeMap<Scope, Told>,
    /// Claims to be sent alone: renewed ones, and withdrawn ones where another route stands.
    renewals: BTreeSet<ClaimKey>,
    /// Claims to be returned to who has said an older one, and when that was done last.
    held: BTreeSet<ClaimKey>,
    held_at: BTreeMap<ClaimKey, Mono>,
    /// Clusters whose keys are to be told.
    keys: BTreeSet<ClusterId>,
    /// Scopes that this cluster wants to hear again.
    wants: BTreeSet<Scope>,
    /// What couldn't be told for want of a claim.
    refused: BTreeSet<(Scope, AnyDestination)>,
    /// Scopes that were told, and whose end of refresh is still to be.
    ends: BTreeSet<Scope>,
    draft: Option<Draft>,
    /// Messages of the last draft that are still to be sent.
    ready: VecDeque<Bytes>,
    sealed: Option<Sealed>,
}

impl Outbox {
    fn is_idle(&self) -> bool {
        self.renewals.is_empty()
            && self.held.is_empty()
            && self.keys.is_empty()
            && self.wants.is_empty()
            && self.draft.is_none()
            && self.ready.is_empty()
            && self.sealed.is_none()
    }

    /// Scopes whose end of refresh waits.
    pub(super) fn ends(&self) -> &BTreeSet<Scope> {
        &self.ends
    }

    /// Who originates what the neighbour was told of a destination.
    fn told_of(&self, scope: &Scope, on: &AnyDestination) -> Option<&ClusterId> {
        self.told.get(scope)?.get(on).map(|of| &of.originator)
    }
}

impl Speaker {
    /// A neighbour is told from now on over the connection in `telling`, everything anew. What it
    /// said of itself, `open`, is known.
    pub(crate) fn begin_telling(&mut self, _now: Now, _book: &Book, to: &ClusterId) {
        self.end_telling(to);
        let Self { config, compiled, neighbours, keys, .. } = self;
        let Some(neighbour) = neighbours.get_mut(to) else { return };
        let Some(open) = &neighbour.open else { return };
        let paths = open.paths.min(neighbour.spec.paths).max(1);
        let depth = match paths {
            1 => Depth::Best,
            n => Depth::First(usize::from(n)),
        };
        for spec in &config.scopes {
            if !open.carries(&spec.scope, spec.kind) {
                continue;
            }
            let outlet = OutletSpec {
                sink: neighbour.source.to_string(),
                view: ViewId::DEFAULT,
                depth,
                export: compiled.export_to(to, &spec.scope),
                split_horizon: Some(neighbour.source.clone()),
                pacing: neighbour.spec.pacing,
                unreachable: false,
                // A session that is cut off begins anew with everything.
                window: 0,
            };
            let outlet = AnyOutlet::new(spec.kind, outlet, config.seed);
            neighbour.outlets.insert(spec.scope.clone(), outlet);
        }
        // Keys first: what follows may rest on them.
        neighbour.outbox.keys = keys.sets().map(|set| set.cluster.clone()).collect();
    }

    /// A neighbour isn't told any more: no connection is left.
    pub(crate) fn end_telling(&mut self, to: &ClusterId) {
        let Some(neighbour) = self.neighbours.get_mut(to) else { return };
        neighbour.outlets.clear();
        neighbour.outbox = Outbox::default();
        self.own.forget_batches(to);
    }

    /// A neighbour wants to hear a scope again.
    pub(crate) fn refresh(&mut self, to: &ClusterId, scope: &Scope) {
        let Some(neighbour) = self.neighbours.get_mut(to) else { return };
        if let Some(outlet) = neighbour.outlets.get_mut(scope) {
            outlet.begin_anew();
        }
    }

    /// A neighbour has said an older claim than the one held: it is sent that one, at most once a
    /// second a claim.
    pub(crate) fn say_held(
        &mut self,
        now: Now,
        to: &ClusterId,
        scope: &Scope,
        originator: &ClusterId,
        on: &AnyDestination,
    ) {
        let key: ClaimKey = (scope.clone(), originator.clone(), on.clone());
        let Some(neighbour) = self.neighbours.get_mut(to) else { return };
        let outbox = &mut neighbour.outbox;
        if outbox.held_at.len() >= MAX_HELD {
            outbox.held_at.retain(|_, at| now.mono.since(*at) < HELD_PACE);
        }
        let recent = outbox.held_at.get(&key).is_some_and(|at| now.mono.since(*at) < HELD_PACE);
        // Over the bound nothing is returned: whoever floods with old claims learns it later.
        if recent || outbox.held_at.len() >= MAX_HELD || outbox.held.len() >= MAX_HELD {
            return;
        }
        outbox.held_at.insert(key.clone(), now.mono);
        outbox.held.insert(key);
    }

    /// A neighbour is asked to say everything of a scope again.
    pub(crate) fn ask_refresh(&mut self, to: &ClusterId, scope: &Scope) {
        if let Some(neighbour) = self.neighbours.get_mut(to) {
            neighbour.outbox.wants.insert(scope.clone());
        }
    }

    /// A neighbour has refused a route for its claim, and a newer one is held by now: it is told the
    /// route again.
    pub(crate) fn tell_again(&mut self, to: &ClusterId, scope: &Scope, on: &AnyDestination) {
        let neighbour = self.neighbours.get_mut(to);
        if let Some(outlet) = neighbour.and_then(|n| n.outlets.get_mut(scope)) {
            outlet.again(on);
        }
    }

    /// Keys of a cluster have changed, as they were announced: all neighbours hear of it but the one
    /// who said it.
    pub(crate) fn relay_keys(&mut self, of: &ClusterId, except: Option<&ClusterId>) {
        for (id, neighbour) in &mut self.neighbours {
            if neighbour.telling.is_some() && Some(id) != except {
                neighbour.outbox.keys.insert(of.clone());
            }
        }
    }

    /// A newer claim is kept, which changes nothing in tables, or takes back what was claimed: those
    /// who were told a route that rests on it hear it.
    pub(crate) fn renewed(&mut self, scope: &Scope, claim: &Claim, except: Option<&ClusterId>) {
        for (id, neighbour) in &mut self.neighbours {
            if Some(id) == except {
                continue;
            }
            let told = neighbour.outbox.told_of(scope, &claim.destination);
            if told == Some(&claim.originator) {
                let key = (scope.clone(), claim.originator.clone(), claim.destination.clone());
                neighbour.outbox.renewals.insert(key);
            }
        }
    }

    /// An own claim that was waited for is signed, or can't be: then the routes that wait for it
    /// aren't told, and are looked at again later.
    pub(super) fn claim_settled(&mut self, now: Now, key: &(Scope, AnyDestination), failed: bool) {
        for neighbour in self.neighbours.values_mut() {
            let Some(draft) = &mut neighbour.outbox.draft else { continue };
            if !draft.awaits.remove(key) || !failed {
                continue;
            }
            let (scope, on) = key;
            draft.drop_own(scope, on);
            if let Some(told) = neighbour.outbox.told.get_mut(scope) {
                told.remove(on);
            }
            if let Some(outlet) = neighbour.outlets.get_mut(scope) {
                outlet.refused(now, on, "its claim couldn't be signed");
            }
            neighbour.outbox.refused.insert(key.clone());
        }
    }

    pub(crate) fn note_outlets(&mut self, book: &Book, changes: &BookChanges) {
        for neighbour in self.neighbours.values_mut() {
            for (scope, outlet) in &mut neighbour.outlets {
                if let Some(spec) = self.config.scopes.iter().find(|s| s.scope == *scope) {
                    outlet.note(&spec.table, book, changes);
                }
            }
        }
    }

    pub(crate) fn pump_outlets(
        &mut self,
        now: Now,
        book: &Book,
        out: &mut Vec<Output>,
    ) -> Progress {
        self.sign_keys(now, out);
        let busy = |(id, n): (&ClusterId, &Neighbour)| {
            let busy = n.has_to_tell(now) || (n.telling.is_some() && self.owes_end(book, n));
            busy.then(|| id.clone())
        };
        let busy: Vec<ClusterId> = self.neighbours.iter().filter_map(busy).collect();
        let mut progress = Progress::Done;
        for id in busy {
            progress = progress.and(self.pump_neighbour(now, book, &id, out));
        }
        progress
    }

    /// One step for one neighbour: `More` if there may be another at once.
    fn pump_neighbour(
        &mut self,
        now: Now,
        book: &Book,
        to: &ClusterId,
        out: &mut Vec<Output>,
    ) -> Progress {
        let Some(neighbour) = self.neighbours.get(to) else { return Progress::Done };
        let Some((connection, _)) = neighbour.telling else { return Progress::Done };
        if self.connections.get(&connection).is_none_or(|c| c.room == 0) {
            return Progress::Done;
        }
        if neighbour.outbox.sealed.is_some() {
            return self.send_sealed(now, to, out);
        }
        if neighbour.outbox.ready.is_empty() {
            if neighbour.outbox.draft.is_none() {
                self.draft(now, book, to, out);
            }
            self.make_ready(now, to, out);
        }
        self.seal(now, to, out)
    }

    /// A signature came; says whether it was asked for here.
    pub(crate) fn signed(
        &mut self,
        now: Now,
        ticket: Ticket,
        signature: &Result<Signature, String>,
        out: &mut Vec<Output>,
    ) -> bool {
        use super::own::Asked;
        match self.own.answered(ticket) {
            Some(Asked::Claim(scope, on)) => self.claim_signed(now, scope, on, signature, out),
            Some(Asked::Keys(set)) => self.keys_signed(now, *set, signature, out),
            Some(Asked::Batch(to, at)) => self.batch_signed(now, &to, at, signature, out),
            None => return false,
        }
        true
    }

    /// When `pump` is next worth calling although nothing has happened: pacing, a signer that
    /// failed. What waits for room, or for a signature, is called by those when they come: a
    /// deadline that can't be met would be due again and again.
    pub(crate) fn outlets_deadline(&self) -> Option<Deadline> {
        let has_room = |n: &Neighbour| {
            let connection = n.telling.and_then(|(id, _)| self.connections.get(&id));
            connection.is_some_and(|connection| connection.room > 0)
        };
        let told = self.neighbours.values().filter(|n| has_room(n));
        told.flat_map(|n| {
            let under_way = n.outbox.sealed.is_some() || n.outbox.draft.is_some();
            let outlets = n.outlets.values().filter(move |_| !under_way);
            let paced = outlets.filter_map(AnyOutlet::next_deadline);
            paced.chain(n.outbox.sealed.as_ref().and_then(Sealed::deadline))
        })
        .min()
    }
}

impl Neighbour {
    fn has_to_tell(&self, now: Now) -> bool {
        self.telling.is_some()
            && (!self.outbox.is_idle() || self.outlets.values().any(|o| !o.is_idle(now)))
    }

    /// How many destinations it was told, by scope.
    pub(crate) fn routes_told(&self) -> BTreeMap<Scope, usize> {
        self.outbox.told.iter().map(|(scope, told)| (scope.clone(), told.len())).collect()
    }
}

/// Does the same with an outlet of any kind.
macro_rules! each {
    ($any:expr, $outlet:ident => $what:expr) => {
        match $any {
            AnyOutlet::Clusters($outlet) => $what,
            AnyOutlet::Services($outlet) => $what,
            AnyOutlet::Prefixes($outlet) => $what,
        }
    };
}

impl AnyOutlet {
    fn new(kind: DestinationKind, spec: OutletSpec, seed: u64) -> Self {
        match kind {
            DestinationKind::Cluster => Self::Clusters(Outlet::new(spec, seed)),
            DestinationKind::Service => Self::Services(Outlet::new(spec, seed)),
            DestinationKind::Prefix => Self::Prefixes(Outlet::new(spec, seed)),
        }
    }

    fn begin_anew(&mut self) {
        each!(self, outlet => { outlet.resume(None); });
    }

    pub(crate) fn set_export(&mut self, export: Rules) {
        each!(self, outlet => {
            if outlet.spec().export != export {
                outlet.set_export(export);
            }
        });
    }

    fn note(&mut self, table: &TableName, book: &Book, changes: &BookChanges) {
        fn note<D: Kind>(outlet: &mut Outlet<D>, of: &TableName, book: &Book, all: &BookChanges) {
            if let Some((table, changes)) = book.table::<D>(of).zip(all.of::<D>(of)) {
                outlet.note(table, changes);
            }
        }
        each!(self, outlet => note(outlet, table, book, changes));
    }

    fn is_idle(&self, now: Now) -> bool {
        each!(self, outlet => outlet.is_idle(now))
    }

    fn next_deadline(&self) -> Option<Deadline> {
        each!(self, outlet => outlet.next_deadline())
    }

    /// The neighbour couldn't be told of this.
    fn refused(&mut self, now: Now, on: &AnyDestination, why: &str) {
        fn refused<D: Destination>(o: &mut Outlet<D>, now: Now, on: &AnyDestination, why: &str) {
            if let Some(destination) = D::from_any(on) {
                o.refused(now, &destination, why);
            }
        }
        each!(self, outlet => refused(outlet, now, on, why));
    }

    /// What the neighbour was told of this is told again.
    fn again(&mut self, on: &AnyDestination) {
        fn again<D: Destination>(outlet: &mut Outlet<D>, on: &AnyDestination) {
            if let Some(destination) = D::from_any(on) {
                outlet.again(&destination);
            }
        }
        each!(self, outlet => again(outlet, on));
    }

    /// It was told after all.
    fn accepted(&mut self, on: &AnyDestination) {
        fn accepted<D: Destination>(outlet: &mut Outlet<D>, on: &AnyDestination) {
            if let Some(destination) = D::from_any(on) {
                outlet.accepted(&destination);
            }
        }
        each!(self, outlet => accepted(outlet, on));
    }
}

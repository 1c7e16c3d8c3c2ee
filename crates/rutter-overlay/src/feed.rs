//! What peers claim, put into the tables of their overlays.
//!
//! Whatever protocol a peer speaks, its claims come here: it is one source, `peer/<name>`, in the
//! table of each overlay that it has part in, and what becomes of a claim is the table's word. A
//! claim that import policy denies is in the table too, barred, so that `explain` shows it; here it
//! counts as refused, and its reason goes back to the peer.
//!
//! All that is remembered between calls (who is up, what a peer's own address is) is read and
//! written on the book's owner, in the order of its commands: a loss that is noticed while an
//! announcement is on its way comes before or behind it, never between.
//!
//! Bounds: an announcement is put in in slices of [`rutter_rib::SLICE`], so the owner hears others
//! between; a report names [`NAMED`] refusals and counts the rest; what is remembered is a pair a
//! source and overlay, whose number the table bounds.

mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_book::{BookClosed, BookHandle};
use rutter_rib::Table;
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, Now, PathId, Prefix, Session, SourceInfo,
    SourceState, Standing, Tags, Verdict,
};

use crate::{PeerName, Vni};

pub use report::{Counts, NAMED, Refused, Report, Totals};

/// A route as a peer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// In which overlay.
    pub vni: Vni,
    /// To where.
    pub prefix: Prefix,
    /// By which address; `None`: the peer's own in the overlay.
    pub next_hop: Option<IpAddr>,
    /// The metric.
    pub metric: u32,
    /// How long it stands unless it is said again; `None`: as long as the peer is there.
    pub lease: Option<Duration>,
    /// Words that policy matches on.
    pub tags: Tags,
}

/// How a lost peer's routes fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// They are out of use at once.
    Flush,
    /// They are used last, for so long.
    Keep(Duration),
}

/// See the module's head. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    book: BookHandle,
    /// The life of this process: an older one's claims are refused.
    incarnation: Incarnation,
    known: Arc<Mutex<Known>>,
    counts: Arc<Counts>,
}

/// What is remembered of sources, a source and overlay each.
#[derive(Debug, Default)]
struct Known(HashMap<(PeerName, Vni), Source>);

#[derive(Debug, Default)]
struct Source {
    up: bool,
    /// Its own addresses, the latest it was a next hop by, a family each.
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl Feed {
    /// A feed of a book. `incarnation` rises from one life of the process to the next.
    pub fn new(book: BookHandle, incarnation: Incarnation) -> Self {
        Self { book, incarnation, known: Arc::default(), counts: Arc::default() }
    }

    /// What was taken and refused since the start.
    pub fn totals(&self) -> Totals {
        self.counts.totals()
    }

    /// Counts what was refused before it could become a claim.
    pub fn count_refused(&self, refused: &Refused) {
        self.counts.refused(refused);
    }

    /// A peer claims routes. It is up from then on.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn announce(
        &self,
        peer: &PeerName,
        claims: Vec<Claim>,
    ) -> Result<Report, BookClosed> {
        let mut by_overlay: BTreeMap<Vni, Vec<Claim>> = BTreeMap::new();
        for claim in claims {
            by_overlay.entry(claim.vni).or_default().push(claim);
        }
        let mut report = Report::default();
        for (vni, claims) in by_overlay {
            let mut claims = claims.into_iter().peekable();
            while claims.peek().is_some() {
                let slice: Vec<Claim> = claims.by_ref().take(rutter_rib::SLICE).collect();
                report.append(self.announce_slice(peer.clone(), vni, slice).await?);
            }
        }
        Ok(report)
    }

    async fn announce_slice(
        &self,
        peer: PeerName,
        vni: Vni,
        claims: Vec<Claim>,
    ) -> Result<Report, BookClosed> {
        let (feed, session) = (self.clone(), self.session(&peer));
        self.book
            .apply(move |book, now| {
                let mut report = Report::default();
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else {
                    for claim in claims {
                        feed.refuse(&mut report, claim.prefix, Refused::NoOverlay(vni.get()));
                    }
                    return report;
                };
                let mut known = feed.known();
                let source = match known.raise(now, table, &session, (peer.clone(), vni)) {
                    Ok(source) => source,
                    Err(why) => {
                        for claim in claims {
                            feed.refuse(&mut report, claim.prefix, Refused::Table(why.clone()));
                        }
                        return report;
                    }
                };
                for claim in claims {
                    feed.advertise(now, table, &session, &peer, source, claim, &mut report);
                }
                report
            })
            .await
    }

    #[allow(clippy::too_many_arguments, reason = "the inside of one closure")]
    fn advertise(
        &self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        peer: &PeerName,
        source: &mut Source,
        claim: Claim,
        report: &mut Report,
    ) {
        let Some(hop) = source.next_hop(&claim, peer) else {
            return self.refuse(report, claim.prefix, Refused::NextHop);
        };
        let mut attributes = Attributes::via(hop);
        attributes.metric = claim.metric;
        attributes.tags = claim.tags;
        let mut route = Advertisement::new(claim.prefix, attributes.clone());
        route.lease = claim.lease;
        match table.advertise(now, session, route) {
            Verdict::Stands(Standing::Denied) => {
                let info = SourceInfo::default();
                let import = &table.policy().import;
                let trace = import.judge(&claim.prefix, &session.source, &info, attributes);
                let by = match trace.accepted {
                    // Not the rules, then: somebody revoked it.
                    true => "revoked".to_owned(),
                    false => trace.decided_by,
                };
                self.refuse(report, claim.prefix, Refused::Policy(by));
            }
            Verdict::Stands(_) => {
                source.learn(claim.next_hop);
                report.taken += 1;
                self.counts.taken(1);
            }
            Verdict::Refused(why) => self.refuse(report, claim.prefix, Refused::Table(why)),
        }
    }

    fn refuse(&self, report: &mut Report, prefix: Prefix, why: Refused) {
        self.counts.refused(&why);
        report.refuse(&prefix.to_string(), &why);
    }

    /// A peer takes routes back in these overlays. Says how many there were.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn withdraw(
        &self,
        peer: &PeerName,
        overlays: BTreeSet<Vni>,
        prefixes: Vec<Prefix>,
    ) -> Result<usize, BookClosed> {
        let mut removed = 0;
        let prefixes = Arc::new(prefixes);
        for vni in overlays {
            for from in (0..prefixes.len()).step_by(rutter_rib::SLICE) {
                let (session, prefixes) = (self.session(peer), prefixes.clone());
                let slice = move |book: &mut rutter_rib::Book, now| {
                    let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return 0 };
                    let slice = prefixes.iter().skip(from).take(rutter_rib::SLICE);
                    slice
                        .filter(|prefix| table.withdraw(now, &session, prefix, &PathId::default()))
                        .count()
                };
                removed += self.book.apply(slice).await?;
            }
        }
        self.counts.withdrawn(removed);
        Ok(removed)
    }

    /// A peer that was lost in an overlay is there again, with all that it claimed and whose lease
    /// hasn't ended. One that never claimed anything there stays unknown.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn found(&self, peer: &PeerName, vni: Vni) -> Result<(), BookClosed> {
        let (feed, session, key) = (self.clone(), self.session(peer), (peer.clone(), vni));
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                let mut known = feed.known();
                if !known.0.contains_key(&key) {
                    return;
                }
                if let Err(why) = known.raise(now, table, &session, key) {
                    tracing::warn!(%why, source = %session.source, "a peer that is back isn't up");
                }
            })
            .await
    }

    /// A peer is lost in an overlay. What it claims next brings it back, and is no withdrawal.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn lost(
        &self,
        peer: &PeerName,
        vni: Vni,
        how: Lost,
        why: &str,
    ) -> Result<(), BookClosed> {
        let (feed, session) = (self.clone(), self.session(peer));
        let (peer, why) = (peer.clone(), why.to_owned());
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                let mut known = feed.known();
                let Some(source) = known.0.get_mut(&(peer, vni)).filter(|source| source.up) else {
                    return;
                };
                source.up = false;
                let state = match how {
                    Lost::Flush => SourceState::Offline { why },
                    Lost::Keep(for_) => SourceState::KeepStale { for_ },
                };
                if let Err(why) = table.source(now, &session, state) {
                    // Only a newer session could be there, and this process gives none.
                    tracing::error!(%why, source = %session.source, "a lost peer stays up");
                }
            })
            .await
    }

    fn session(&self, peer: &PeerName) -> Session {
        Session { source: peer.source(), incarnation: self.incarnation }
    }

    /// Never held across a wait, and whole whatever becomes of who holds it.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A source that is up from now on, unless the table has no room for it.
    fn raise(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        session: &Session,
        key: (PeerName, Vni),
    ) -> Result<&mut Source, rutter_route::Refused> {
        // Told once: it would clear what was seen of the source's health.
        let is_up = self.0.get(&key).is_some_and(|source| source.up);
        if !is_up {
            table.source(now, session, SourceState::Up(SourceInfo::default()))?;
        }
        let source = self.0.entry(key).or_default();
        source.up = true;
        Ok(source)
    }
}

impl Source {
    /// Where a claim leads. A peer that names no address means its own; until that is known, the
    /// peer itself is the next hop, which is unresolved.
    fn next_hop(&self, claim: &Claim, peer: &PeerName) -> Option<NextHop> {
        if let Some(address) = claim.next_hop {
            return Some(NextHop::Address(address));
        }
        let [same, other] =
            if claim.prefix.is_v4() { [self.v4, self.v6] } else { [self.v6, self.v4] };
        match same.or(other) {
            Some(address) => Some(NextHop::Address(address)),
            None => peer.as_str().parse().ok().map(NextHop::Peer),
        }
    }

    fn learn(&mut self, next_hop: Option<IpAddr>) {
        match next_hop {
            Some(address @ IpAddr::V4(_)) => self.v4 = Some(address),
            Some(address @ IpAddr::V6(_)) => self.v6 = Some(address),
            None => {}
        }
    }
}

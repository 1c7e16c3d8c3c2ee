//! What peers claim, put into the tables of their overlays.
//!
//! Whatever protocol a peer speaks, its claims come here: it is one source, `peer/<name>`, in the
//! table of each overlay that it has part in, and what becomes of a claim is the table's word. A
//! claim that import policy denies is in the table too, barred, so that `explain` shows it; here it
//! counts as refused, and its reason goes back to the peer.
//!
//! ```text
//!   nnetman.v1: announce, withdraw ─┐
//!                                   ├─▶ Intake ─▶ table
//!   rutter.v1: batches of an outlet ┘   loops, next hops, policy's reasons, counts
//! ```
//!
//! All that is remembered between calls (who is up, what a peer's own address is) is read and
//! written on the book's owner, in the order of its commands: a loss that is noticed while an
//! announcement is on its way comes before or behind it, never between.
//!
//! A source's session rises each time the peer tells everything anew: what it said before stands as
//! stale until it is said again, or goes at the snapshot's end. A session that only goes on where it
//! was keeps its number.
//!
//! Bounds: an announcement is put in in slices of [`rutter_rib::SLICE`], so the owner hears others
//! between; a report names [`NAMED`] refusals and counts the rest; what is remembered is a pair a
//! source and overlay, whose number the table bounds.

mod intake;
mod known;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_book::{BookClosed, BookHandle};
use rutter_rib::{Batch, Book, Table};
use rutter_route::{
    ClusterId, Incarnation, Now, PathId, PathStep, Prefix, SourceState, Standing, Tags,
};

use crate::{PeerName, Vni};
pub(crate) use intake::Intake;
pub(crate) use known::{Known, Source};

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
    /// The hosts that it came through, where the protocol tells.
    pub path_list: Vec<PathStep>,
    /// An impairment that it has at the peer.
    pub standing: Standing,
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
    /// This host in path lists.
    here: ClusterId,
    known: Arc<Mutex<Known>>,
    counts: Arc<Counts>,
}

impl Feed {
    /// A feed of a book. `base` is what sources' sessions are counted from: it must rise from one
    /// life of the process to the next by more than a peer has sessions, as a clock's milliseconds
    /// do. `here` is how this host is called in path lists.
    pub fn new(book: BookHandle, base: Incarnation, here: ClusterId) -> Self {
        let known = Arc::new(Mutex::new(Known::new(base)));
        Self { book, here, known, counts: Arc::default() }
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
        let feed = self.clone();
        self.book
            .apply(move |book, now| {
                let of_all = |why: Refused| {
                    let mut report = Report::default();
                    for claim in &claims {
                        feed.counts.refused(&why);
                        report.refuse(&claim.prefix.to_string(), &why);
                    }
                    report
                };
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else {
                    return of_all(Refused::NoOverlay(vni.get()));
                };
                let mut known = feed.known();
                match known.raise(now, table, (&peer, vni), false) {
                    Ok(source) => feed.take(now, table, source, &peer, |intake| {
                        for claim in claims {
                            // Whether it stands is in the report.
                            let _stands = intake.claim(claim);
                        }
                    }),
                    Err(why) => of_all(Refused::Table(why)),
                }
            })
            .await
    }

    /// What makes this host's copy of a peer's routes true, as its outlet tells it.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn told(
        &self,
        peer: &PeerName,
        vni: Vni,
        batch: Batch<Prefix>,
    ) -> Result<Report, BookClosed> {
        let (feed, peer) = (self.clone(), peer.clone());
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else {
                    return Report::default();
                };
                let mut known = feed.known();
                match known.raise(now, table, (&peer, vni), batch.begin_snapshot) {
                    Ok(source) => {
                        feed.take(now, table, source, &peer, |intake| intake.batch(vni, &batch))
                    }
                    Err(why) => {
                        tracing::warn!(%why, %peer, "a peer's routes find no room");
                        feed.counts.refused(&Refused::Table(why));
                        Report::default()
                    }
                }
            })
            .await
    }

    fn take(
        &self,
        now: Now,
        table: &mut Table<Prefix>,
        source: &mut Source,
        peer: &PeerName,
        take: impl FnOnce(&mut Intake<'_>),
    ) -> Report {
        let mut intake = Intake::new(now, table, source, peer, &self.here);
        take(&mut intake);
        let (report, totals) = intake.end();
        self.counts.add(&totals);
        report
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
                let (feed, peer, prefixes) = (self.clone(), peer.clone(), prefixes.clone());
                let slice = move |book: &mut Book, now: Now| {
                    let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return 0 };
                    let session = feed.known().session(&peer, vni);
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
        let (feed, peer) = (self.clone(), peer.clone());
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                let mut known = feed.known();
                if !known.has(&peer, vni) {
                    return;
                }
                if let Err(why) = known.raise(now, table, (&peer, vni), false) {
                    tracing::warn!(%why, %peer, "a peer that is back isn't up");
                }
            })
            .await
    }

    /// What a peer said by another protocol than it speaks now is withdrawn.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn sweep(&self, peer: &PeerName, vni: Vni) -> Result<(), BookClosed> {
        let (feed, peer) = (self.clone(), peer.clone());
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                let mut known = feed.known();
                if !known.has(&peer, vni) || known.raise(now, table, (&peer, vni), true).is_err() {
                    return;
                }
                let session = known.session(&peer, vni);
                table.begin_refresh(now, &session);
                table.end_of_refresh(now, &session);
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
        let (feed, peer, why) = (self.clone(), peer.clone(), why.to_owned());
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                let mut known = feed.known();
                if !known.lower(&peer, vni) {
                    return;
                }
                let state = match how {
                    Lost::Flush => SourceState::Offline { why },
                    Lost::Keep(for_) => SourceState::KeepStale { for_ },
                };
                let session = known.session(&peer, vni);
                if let Err(why) = table.source(now, &session, state) {
                    // Only a newer session could be there, and this process gives none.
                    tracing::error!(%why, source = %session.source, "a lost peer stays up");
                }
            })
            .await
    }

    /// A peer is none any more in an overlay: all that it said goes.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn gone(&self, peer: &PeerName, vni: Vni) -> Result<(), BookClosed> {
        let (feed, peer) = (self.clone(), peer.clone());
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                let mut known = feed.known();
                let session = known.session(&peer, vni);
                // One that never claimed anything has no session to end.
                if known.has(&peer, vni)
                    && let Err(why) = table.source(now, &session, SourceState::Gone)
                {
                    tracing::error!(%why, source = %session.source, "a removed peer stays");
                }
                known.forget(&peer, vni);
            })
            .await
    }

    /// Never held across a wait, and whole whatever becomes of who holds it.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! This host's own networks: routes of the source `operator/local` in the tables of its overlays.
//!
//! So what peers are told of them comes out of the same outlets as everything else, and `explain`
//! knows them. Import asks nothing of them; what peers claim of them is refused, so a table's policy
//! changes before its own networks do.
//!
//! Networks come from the configuration and from whoever watches the kernel and files
//! ([`Own::set_extra`]). Level-triggered: what should be there is compared with what was put there,
//! and what differs is put in slices of [`SLICE`], so the book's owner hears others between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rutter_book::BookHandle;
use rutter_rib::{HopKind, Policy, SLICE};
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, PathId, Prefix, Session, SourceId, SourceInfo,
    SourceKind, SourceState, Verdict,
};

use crate::{Announced, OverlayConfig, OverlayError, OwnRoute, Vni, import};

/// The source that this host's own networks have in the tables of its overlays: `operator/local`.
pub fn own_source() -> SourceId {
    #[allow(clippy::expect_used, reason = "a literal that is a source's name")]
    SourceId::new(SourceKind::Operator, "local").expect("`operator/local` is a source")
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Own {
    session: Session,
    /// Beside what the configuration names.
    extra: BTreeMap<Vni, BTreeSet<Prefix>>,
    /// What is in the tables.
    put: Arc<Announced>,
}

impl Own {
    /// Nothing yet. `base` is this life of the process.
    pub(crate) fn new(base: Incarnation) -> Self {
        let session = Session { source: own_source(), incarnation: base };
        Self { session, extra: BTreeMap::new(), put: Arc::default() }
    }

    /// What is announced in an overlay beside what the configuration names; [`Own::put`] does it.
    pub(crate) fn set_extra(&mut self, vni: Vni, networks: BTreeSet<Prefix>) {
        self.extra.insert(vni, networks);
    }

    /// Makes the tables hold what the configuration and the others say. What is announced now.
    ///
    /// # Errors
    /// A policy contradicts itself, and what comes before it is in force; the book has ended.
    pub(crate) async fn put(
        &mut self,
        config: &OverlayConfig,
        book: &BookHandle,
    ) -> Result<Arc<Announced>, OverlayError> {
        let mut all = Announced::of(config);
        for (vni, overlay) in &config.overlays {
            for prefix in self.extra.get(vni).into_iter().flatten() {
                all.add(*vni, *prefix, overlay);
            }
        }
        for (vni, overlay) in &config.overlays {
            let (want, before) = (all.of_overlay(*vni), self.put.of_overlay(*vni));
            let mut own = import::Own::of(overlay);
            own.announced = want.keys().copied().collect();
            let policy = import::policy(config, overlay, &own);
            self.begin(book, *vni, policy).await?;
            let gone = before.into_keys().filter(|prefix| !want.contains_key(prefix)).collect();
            self.withdraw(book, *vni, gone).await?;
            let before = self.put.of_overlay(*vni);
            let news = want.into_iter().filter(|(to, route)| before.get(to) != Some(route));
            self.advertise(book, *vni, news.collect()).await?;
        }
        self.put = Arc::new(all);
        Ok(self.put.clone())
    }

    /// The table knows what is this host's, and this host.
    async fn begin(&self, book: &BookHandle, vni: Vni, policy: Policy) -> Result<(), OverlayError> {
        let session = self.session.clone();
        let begun = book.apply(move |book, now| {
            let table = book.table_mut::<Prefix>(&vni.table());
            let table = table.ok_or(OverlayError::NoOverlay(vni))?;
            let policy = with_fabric(policy, table.policy());
            if *table.policy() != policy {
                table.set_policy(now, policy)?;
            }
            if table.session_of(&session.source).is_none() {
                let up = SourceState::Up(SourceInfo::default());
                if let Err(why) = table.source(now, &session, up) {
                    tracing::warn!(%why, %vni, "own networks find no room");
                }
            }
            Ok(())
        });
        begun.await?
    }

    async fn withdraw(
        &self,
        book: &BookHandle,
        vni: Vni,
        gone: Vec<Prefix>,
    ) -> Result<(), OverlayError> {
        for slice in gone.chunks(SLICE) {
            let (slice, session) = (slice.to_vec(), self.session.clone());
            let withdrawn = book.apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                for prefix in &slice {
                    table.withdraw(now, &session, prefix, &PathId::default());
                }
            });
            withdrawn.await?;
        }
        Ok(())
    }

    async fn advertise(
        &self,
        book: &BookHandle,
        vni: Vni,
        news: Vec<(Prefix, OwnRoute)>,
    ) -> Result<(), OverlayError> {
        for slice in news.chunks(SLICE) {
            let (slice, session) = (slice.to_vec(), self.session.clone());
            let advertised = book.apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { return };
                for (prefix, route) in slice {
                    let hop = route.next_hop.map_or(NextHop::Discard, NextHop::Address);
                    let attributes = Attributes { metric: route.metric, ..Attributes::via(hop) };
                    let route = Advertisement::new(prefix, attributes);
                    if let Verdict::Refused(why) = table.advertise(now, &session, route) {
                        tracing::warn!(%prefix, %why, %vni, "an own network isn't announced");
                    }
                }
            });
            advertised.await?;
        }
        Ok(())
    }

    /// Tells peers that this host is about to end: those that have another way take it.
    ///
    /// # Errors
    /// The book has ended.
    pub(crate) async fn drain(
        &self,
        config: &OverlayConfig,
        book: &BookHandle,
    ) -> Result<(), OverlayError> {
        let (session, overlays) = (self.session.clone(), config.overlays.keys().copied());
        let overlays: Vec<Vni> = overlays.collect();
        let drained = book.apply(move |book, now| {
            for vni in overlays {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else { continue };
                if let Err(why) = table.source(now, &session, SourceState::Draining) {
                    tracing::debug!(%why, %vni, "nothing of this host's own to drain");
                }
            }
        });
        Ok(drained.await?)
    }
}

/// The policy with what isn't the overlay's to say: what neighbours of a fabric may tell of this
/// table, and which next hops are looked up in another.
fn with_fabric(mut policy: Policy, standing: &Policy) -> Policy {
    let neighbours = format!("{}/", SourceKind::Neighbour.as_str());
    let of_fabric = standing.import_of.iter().filter(|(of, _)| of.starts_with(&neighbours));
    policy.import_of.extend(of_fabric.map(|(of, rules)| (of.clone(), rules.clone())));
    let elsewhere = standing.resolve.iter().filter(|hops| **hops == HopKind::Cluster);
    policy.resolve.extend(elsewhere.copied());
    policy
}

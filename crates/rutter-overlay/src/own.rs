//! This host's own networks: routes of the source `operator/local` in the tables of its overlays.
//!
//! So what peers are told of them comes out of the same outlets as everything else, and `explain`
//! knows them. Import asks nothing of them; what peers claim of them is refused, which is why a
//! table's policy and its own networks change in one command.
//!
//! Networks come from the configuration and from whoever watches the kernel and files
//! ([`Own::set_extra`]). Level-triggered: what should be there is compared with what was put there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rutter_book::BookHandle;
use rutter_rib::{Policy, PolicyError, Table};
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, Now, PathId, Prefix, Session, SourceId,
    SourceInfo, SourceKind, SourceState, Verdict,
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
            let (session, vni) = (self.session.clone(), *vni);
            let put = book.apply(move |book, now| {
                let Some(table) = book.table_mut::<Prefix>(&vni.table()) else {
                    return Err(OverlayError::NoOverlay(vni));
                };
                put_in(now, table, &session, policy, &before, &want).map_err(OverlayError::from)
            });
            put.await??;
        }
        self.put = Arc::new(all);
        Ok(self.put.clone())
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

type Networks = BTreeMap<Prefix, OwnRoute>;

fn put_in(
    now: Now,
    table: &mut Table<Prefix>,
    session: &Session,
    policy: Policy,
    before: &Networks,
    want: &Networks,
) -> Result<(), PolicyError> {
    if *table.policy() != policy {
        table.set_policy(now, policy)?;
    }
    if table.session_of(&session.source).is_none() {
        let up = SourceState::Up(SourceInfo::default());
        if let Err(why) = table.source(now, session, up) {
            tracing::warn!(%why, table = %table.name(), "own networks find no room");
            return Ok(());
        }
    }
    for prefix in before.keys().filter(|prefix| !want.contains_key(prefix)) {
        table.withdraw(now, session, prefix, &PathId::default());
    }
    for (prefix, route) in want {
        // Said again where nothing changed it is no change.
        let hop = route.next_hop.map_or(NextHop::Discard, NextHop::Address);
        let attributes = Attributes { metric: route.metric, ..Attributes::via(hop) };
        let said = table.advertise(now, session, Advertisement::new(*prefix, attributes));
        if let Verdict::Refused(why) = said {
            tracing::warn!(%prefix, %why, table = %table.name(), "an own network isn't announced");
        }
    }
    Ok(())
}

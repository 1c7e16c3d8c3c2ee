//! Another roster or policy.
//!
//! A policy says of every node and prefix anew who may be told, so all maps are built anew: beside
//! what is told, step by step between the rounds, and then told as what differs. Another roster
//! changes little, mostly; then what is told is patched ([`Work::patch`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use rutter_book::BookClosed;
use rutter_rib::ViewId;
use rutter_route::{NodeId, Prefix, ViewName, Wall};
use tokio::time::Instant;

use super::distributor::Distributor;
use super::work::{READERS, STEP, Work};
use crate::map::{Class, Mapper, Network};
use crate::policy::PolicyFile;

/// What is told next, under another roster or policy.
pub(super) struct Building {
    policy: Arc<PolicyFile>,
    work: Work,
    began: Instant,
    /// Readers whose class isn't known yet.
    readers: Vec<NodeId>,
    /// Classes and networks that are to be brought together: the first `at` are done.
    classes: Vec<Class>,
    networks: Vec<Arc<Network>>,
    at: (usize, usize),
    /// What has changed meanwhile.
    pub(super) prefixes: BTreeSet<Prefix>,
    pub(super) endpoints: BTreeSet<NodeId>,
}

/// A mapper, and the policy that it follows.
pub(super) struct Made {
    pub(super) mapper: Mapper,
    pub(super) policy: Arc<PolicyFile>,
}

impl Distributor {
    /// A mapper of the roster and the policy as they are. It is made apart: it takes long.
    pub(super) async fn mapper(&self) -> Result<Made, BookClosed> {
        let roster = self.on_book(|table, state| {
            let policy = state.policy.clone();
            let views = policy.access.views().into_iter();
            let views = views.filter_map(|view| Some((table.view(&view.name)?, view.name)));
            Roster {
                nodes: state.nodes.iter().cloned().collect(),
                policy,
                views: views.collect(),
                endpoints: state.endpoints.clone(),
            }
        });
        let roster = roster.await?;
        let wall = self.sources.clock.now().wall;
        let made = tokio::task::spawn_blocking(move || roster.made(wall)).await;
        // Cut short only when the program ends.
        made.map_err(|_| BookClosed)
    }

    /// Takes another roster or policy in: at once where little is otherwise, else it is built beside
    /// what is told.
    pub(super) async fn begin_building(&mut self, mut work: Work) -> Result<Work, BookClosed> {
        let began = Instant::now();
        let Made { mut mapper, policy } = self.mapper().await?;
        if Arc::ptr_eq(&policy, &self.policy) {
            match work.patch(mapper) {
                Ok((networks, nodes)) => {
                    work = self.take_patch(work, networks, nodes).await?;
                    self.last_build = began.elapsed();
                    return Ok(work);
                }
                Err(given_back) => mapper = given_back,
            }
        }
        let next = work.under(mapper);
        let readers = self.shared.registry().readers.keys().copied().collect();
        self.building = Some(Building {
            policy,
            networks: next.networks(),
            work: next,
            began,
            readers,
            classes: Vec::new(),
            at: (0, 0),
            prefixes: BTreeSet::new(),
            endpoints: BTreeSet::new(),
        });
        Ok(work)
    }

    async fn take_patch(
        &mut self,
        mut work: Work,
        networks: Vec<Arc<Network>>,
        mut nodes: BTreeSet<NodeId>,
    ) -> Result<Work, BookClosed> {
        let classes = work.classes.keys().cloned().collect();
        work = self.bring_all(work, classes, networks).await?;
        self.publish(&mut work, BTreeSet::new());
        nodes.retain(|id| work.places.contains_key(id));
        self.place(work, nodes).await
    }

    /// A step of what is built, or its end.
    pub(super) async fn build(&mut self, work: Work, mut b: Building) -> Result<Work, BookClosed> {
        if !b.readers.is_empty() {
            let ids = b.readers.split_off(b.readers.len().saturating_sub(READERS));
            b.work = self.place_some(b.work, ids, &mut b.classes).await?;
        } else if let Some(class) = b.classes.get(b.at.0) {
            let to = (b.at.1 + STEP).min(b.networks.len());
            let networks = b.networks.get(b.at.1..to).unwrap_or_default().to_vec();
            b.work = self.bring_all(b.work, vec![class.clone()], networks).await?;
            b.at = if to < b.networks.len() { (b.at.0, to) } else { (b.at.0 + 1, 0) };
        } else {
            return self.take_over(work, b).await;
        }
        self.building = Some(b);
        Ok(work)
    }

    /// What was built is told from now on.
    async fn take_over(&mut self, before: Work, b: Building) -> Result<Work, BookClosed> {
        let Building { policy, mut work, began, prefixes, endpoints, .. } = b;
        self.renew(&mut work, &endpoints).await?;
        let (networks, mut readers) = self.look(&mut work, prefixes.into_iter().collect()).await?;
        let classes = work.classes.keys().cloned().collect();
        work = self.bring_all(work, classes, networks).await?;
        work.take_boards(before, self.number);
        self.publish(&mut work, BTreeSet::new());
        // Those that came since it began, and those whose class may be another by now.
        let there: Vec<NodeId> = self.shared.registry().readers.keys().copied().collect();
        readers.extend(there.iter().filter(|id| !work.places.contains_key(id)));
        readers.retain(|id| there.binary_search(id).is_ok());
        work = self.place(work, readers).await?;
        self.policy = policy;
        self.last_build = began.elapsed();
        Ok(work)
    }
}

/// What a mapper is made of.
struct Roster {
    nodes: Vec<crate::Node>,
    policy: Arc<PolicyFile>,
    views: Vec<(ViewId, ViewName)>,
    endpoints: BTreeMap<NodeId, Vec<IpAddr>>,
}

impl Roster {
    fn made(self, now: Wall) -> Made {
        let view = |name: &ViewName| {
            self.views.iter().find(|(_, known)| known == name).map(|(view, _)| *view)
        };
        let mut mapper = Mapper::resolve(now, self.nodes.iter(), &self.policy.access, &view);
        for (id, endpoints) in self.endpoints {
            mapper.set_endpoints(id, endpoints);
        }
        Made { mapper, policy: self.policy }
    }
}

//! What the table is put through.
//!
//! It is driven as its owner drives it: commands in batches, after each batch `expire`, `work` and
//! `commit` in slices until nothing is left, the changes handed on. Each part begins with a table of
//! its own, since memory that was used before has another order. Each part also checks that the
//! table did what was asked of it: a figure for work that wasn't done would be the best of all.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, ensure};
use rutter_rib::{Changes, LongestMatch, Policy, Table, ViewId};
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, Now, PathId, Prefix, Session, SourceId,
    SourceInfo, SourceKind, SourceState,
};

use super::meter::Meter;
use crate::bench::prefixes::{self, Network};

/// How many commands an owner takes before it commits.
const BATCH: usize = 4096;

/// How much an owner lets one call do.
const BUDGET: usize = rutter_rib::SLICE;

const LEASE: Duration = Duration::from_secs(600);

/// The names of steps, as the report asks for them.
pub(super) mod step {
    pub(in super::super) const TAKEN_IN: &str = "taken in";
    pub(in super::super) const RENEWED: &str = "renewed";
    pub(in super::super) const CHANGED: &str = "changed";
    pub(in super::super) const MATCHED: &str = "matched";
    pub(in super::super) const SECOND_IN: &str = "second in";
    pub(in super::super) const SECOND_LOST: &str = "second lost";
    pub(in super::super) const ONLY_LOST: &str = "only lost";
    pub(in super::super) const WITHDRAWN: &str = "withdrawn";
    pub(in super::super) const WITHDRAWN_AT_RANDOM: &str = "withdrawn at random";
    pub(in super::super) const ENDED: &str = "ended";
    pub(in super::super) const ONE_SOURCE: &str = "one source";
    pub(in super::super) const TWO_SOURCES: &str = "two sources";
}

/// Data made before anything is measured.
pub(super) struct Scenario {
    prefixes: Vec<Prefix>,
    shuffled: Vec<Prefix>,
    addresses: Vec<IpAddr>,
}

impl Scenario {
    pub(super) fn new(networks: &[Network], seed: u64) -> Result<Self> {
        let prefix = |(address, length): &Network| Prefix::new(IpAddr::V4(*address), *length);
        let prefixes = networks.iter().map(prefix).collect::<Result<Vec<_>, _>>()?;
        let shuffled = prefixes::shuffled(&prefixes, seed + 1);
        let addresses = prefixes::addresses(networks.len(), seed + 2);
        let addresses = addresses.into_iter().map(IpAddr::V4).collect();
        Ok(Self { prefixes, shuffled, addresses })
    }

    /// All parts, one after the other.
    pub(super) fn run(&self, meter: &mut Meter) -> Result<()> {
        self.one_source(meter)?;
        self.second_source_lost(meter)?;
        self.only_source_lost(meter)?;
        self.withdrawn(meter, step::WITHDRAWN, &self.prefixes)?;
        self.withdrawn(meter, step::WITHDRAWN_AT_RANDOM, &self.shuffled)?;
        self.ended_by_lease(meter)
    }

    fn one_source(&self, meter: &mut Meter) -> Result<()> {
        let n = self.prefixes.len();
        let mut owner = Owner::new()?;
        let first = owner.up("first")?;
        let via = Attributes::via(hop(1));
        meter.step(step::TAKEN_IN, |m| owner.advertise(m, &first, &self.prefixes, |_| via.clone()));
        owner.expect(n, n)?;
        meter.bytes_a_route(step::ONE_SOURCE, n);

        owner.wait(LEASE / 2);
        meter.step(step::RENEWED, |m| {
            m.call(|| owner.table.renew(owner.now, &first));
            m.call(|| owner.table.begin_refresh(owner.now, &first));
            owner.advertise(m, &first, &self.prefixes, |_| via.clone());
            m.call(|| owner.table.end_of_refresh(owner.now, &first));
            owner.settle(m);
        });
        owner.expect(n, 0)?;

        let metrics = |at: usize| Attributes { metric: 1 + at as u32 % 16, ..via.clone() };
        meter.step(step::CHANGED, |m| owner.advertise(m, &first, &self.prefixes, metrics));
        owner.expect(n, n)?;

        let n_found = meter.step(step::MATCHED, |m| {
            let found = |address: &&IpAddr| {
                let found = m.call(|| owner.table.longest_match(**address, ViewId::DEFAULT));
                matches!(found, LongestMatch::Route(..))
            };
            self.addresses.iter().filter(found).count()
        });
        ensure!(n_found > 0 && n_found < self.addresses.len(), "{n_found} addresses matched");
        Ok(())
    }

    fn second_source_lost(&self, meter: &mut Meter) -> Result<()> {
        let n = self.prefixes.len();
        let mut owner = self.filled()?;
        let second = owner.up("second")?;
        let better = Attributes { preference: 200, ..Attributes::via(hop(2)) };
        meter.step(step::SECOND_IN, |m| {
            owner.advertise(m, &second, &self.shuffled, |_| better.clone());
        });
        owner.expect(2 * n, n)?;
        meter.bytes_a_route(step::TWO_SOURCES, n);
        meter.step(step::SECOND_LOST, |m| owner.lose(m, &second))?;
        owner.expect(2 * n, n)
    }

    fn only_source_lost(&self, meter: &mut Meter) -> Result<()> {
        let mut owner = self.filled()?;
        let first = session("first");
        meter.step(step::ONLY_LOST, |m| owner.lose(m, &first))?;
        owner.expect(self.prefixes.len(), self.prefixes.len())
    }

    fn withdrawn(&self, meter: &mut Meter, step: &str, order: &[Prefix]) -> Result<()> {
        let mut owner = self.filled()?;
        let first = session("first");
        meter.step(step, |m| owner.withdraw(m, &first, order));
        owner.expect(0, order.len())
    }

    fn ended_by_lease(&self, meter: &mut Meter) -> Result<()> {
        let mut owner = self.filled()?;
        owner.wait(LEASE * 2);
        meter.step(step::ENDED, |m| owner.settle(m));
        owner.expect(0, self.prefixes.len())
    }

    /// A table with one source's routes, taken in without being measured.
    fn filled(&self) -> Result<Owner> {
        let mut owner = Owner::new()?;
        let first = owner.up("first")?;
        let via = Attributes::via(hop(1));
        let unmeasured = &mut Meter::off();
        owner.advertise(unmeasured, &first, &self.prefixes, |_| via.clone());
        owner.expect(self.prefixes.len(), self.prefixes.len())?;
        Ok(owner)
    }
}

/// Who drives a table.
struct Owner {
    table: Table<Prefix>,
    changes: Changes<Prefix>,
    n_changes: usize,
    now: Now,
}

impl Owner {
    fn new() -> Result<Self> {
        let now = Now::new(1_000_000, 1_700_000_000_000);
        let (name, cluster) = ("nodes".parse()?, "bench".parse()?);
        let table = Table::new(name, cluster, Policy::default(), now, 1)?;
        Ok(Self { table, changes: Changes::default(), n_changes: 0, now })
    }

    fn up(&mut self, name: &str) -> Result<Session> {
        let session = session(name);
        let info = SourceInfo { lease: Some(LEASE), ..SourceInfo::default() };
        let up = self.table.source(self.now, &session, SourceState::Up(info));
        ensure!(up.is_ok(), "{name}: {up:?}");
        Ok(session)
    }

    fn advertise(
        &mut self,
        meter: &mut Meter,
        session: &Session,
        prefixes: &[Prefix],
        attributes: impl Fn(usize) -> Attributes,
    ) {
        for (batch, prefixes) in prefixes.chunks(BATCH).enumerate() {
            for (at, prefix) in prefixes.iter().enumerate() {
                let route = Advertisement::new(*prefix, attributes(batch * BATCH + at));
                meter.call(|| self.table.advertise(self.now, session, route));
            }
            self.settle(meter);
        }
    }

    fn withdraw(&mut self, meter: &mut Meter, session: &Session, prefixes: &[Prefix]) {
        let path = PathId::default();
        for prefixes in prefixes.chunks(BATCH) {
            for prefix in prefixes {
                meter.call(|| self.table.withdraw(self.now, session, prefix, &path));
            }
            self.settle(meter);
        }
    }

    fn lose(&mut self, meter: &mut Meter, session: &Session) -> Result<()> {
        let offline = SourceState::Offline { why: "the session is lost".into() };
        let lost = meter.call(|| self.table.source(self.now, session, offline));
        ensure!(lost.is_ok(), "{lost:?}");
        self.settle(meter);
        Ok(())
    }

    /// What an owner does after each batch.
    fn settle(&mut self, meter: &mut Meter) {
        loop {
            let expired = meter.call(|| self.table.expire(self.now, BUDGET));
            let worked = meter.call(|| self.table.work(self.now, BUDGET));
            let committed = meter.call(|| self.table.commit(self.now, BUDGET, &mut self.changes));
            self.n_changes += self.changes.changes.len();
            self.changes.clear();
            if expired.and(worked).and(committed).is_done() {
                return;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// That the table holds so many routes, and that so many changes came since it was last asked.
    fn expect(&mut self, n_routes: usize, n_changes: usize) -> Result<()> {
        let (held, changed) = (self.table.counts().routes, std::mem::take(&mut self.n_changes));
        ensure!(held == n_routes, "the table holds {held} routes, expected {n_routes}");
        ensure!(changed == n_changes, "{changed} changes came, expected {n_changes}");
        Ok(())
    }
}

fn session(name: &str) -> Session {
    let source = SourceId::new(SourceKind::Peer, name);
    // The names are literals of this file, short and without control characters.
    let source = source.unwrap_or_else(|_| SourceId::node(0));
    Session { source, incarnation: Incarnation(1) }
}

fn hop(last: u8) -> NextHop {
    NextHop::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
}

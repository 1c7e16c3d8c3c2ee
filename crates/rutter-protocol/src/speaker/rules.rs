//! Policy in force: compiled, set in the tables and at the outlets, changed while it runs.

use std::collections::BTreeMap;

use rutter_rib::{Book, BookError, Kind, Policy};
use rutter_route::{
    AnyDestination, Attributes, ClusterId, Criterion, DestinationKind, Now, Prefix, Service,
    SourceInfo,
};

use super::{Level, LogEvent, Output, ScopeSpec, Speaker, SpeakerError, What};
use crate::link::Sample;
use crate::policy::{Compiled, FabricPolicy, FabricPolicyError};
use crate::stats::Reason;
use crate::wire::{Metrics, Scope};

impl Speaker {
    /// Compiles the policy for the neighbours and links as they are, and takes it into force.
    ///
    /// # Errors
    /// A policy that contradicts itself, a scope without its table. Nothing has changed.
    pub(crate) fn install_policy(&mut self, now: Now, book: &mut Book) -> Result<(), SpeakerError> {
        for spec in &self.config.scopes {
            let there = book.tables().contains(&(spec.kind, spec.table.clone()));
            if !there {
                let (scope, table) = (spec.scope.clone(), spec.table.clone());
                return Err(SpeakerError::NoTable { scope, table });
            }
        }
        self.compiled = self.compile(&self.config.policy)?;
        self.put_in_force(now, book);
        Ok(())
    }

    /// Links or neighbours have changed: the same policy, compiled for them. The table's own walk
    /// brings it to what is stored.
    pub(crate) fn recompile(&mut self, now: Now, book: &mut Book, out: &mut Vec<Output>) {
        match self.install_policy(now, book) {
            Ok(()) => {}
            // Neighbours beyond what a list of rules may hold: what was in force stays so.
            Err(error) => out.push(policy_refused(&error.to_string())),
        }
    }

    /// Another policy, also for what is stored already. One that contradicts itself is refused, and
    /// the one before stays in force.
    pub(crate) fn new_policy(
        &mut self,
        now: Now,
        book: &mut Book,
        policy: FabricPolicy,
        out: &mut Vec<Output>,
    ) {
        match self.compile(&policy) {
            Ok(compiled) => {
                self.compiled = compiled;
                self.config.policy = policy;
                self.put_in_force(now, book);
            }
            Err(error) => out.push(policy_refused(&error.to_string())),
        }
    }

    /// A link was measured: where what counts has moved, routes over it are weighed anew.
    pub(crate) fn measured(
        &mut self,
        now: Now,
        book: &mut Book,
        neighbour: &ClusterId,
        sample: Sample,
        out: &mut Vec<Output>,
    ) {
        let Some(of) = self.neighbours.get_mut(neighbour) else { return };
        if of.link.sample(now, sample) {
            self.recompile(now, book, out);
        }
    }

    /// Other rules of signing are in force: neighbours are told everything anew, with claims or
    /// without.
    pub(crate) fn security_changed(&mut self, _now: Now, _book: &mut Book, _out: &mut Vec<Output>) {
        let scopes: Vec<Scope> = self.config.scopes.iter().map(|s| s.scope.clone()).collect();
        let ids: Vec<ClusterId> = self.neighbours.keys().cloned().collect();
        for id in &ids {
            scopes.iter().for_each(|scope| self.refresh(id, scope));
        }
    }

    /// What the tables' policies would be under another policy of the fabric, for a dry run.
    ///
    /// # Errors
    /// A policy that contradicts itself.
    pub fn policies_under(
        &self,
        book: &Book,
        policy: &FabricPolicy,
    ) -> Result<Vec<(ScopeSpec, Policy)>, FabricPolicyError> {
        let compiled = self.compile(policy)?;
        let under = |spec: &ScopeSpec| {
            let before = policy_of(book, spec)?;
            Some((spec.clone(), self.policy_for(&compiled, spec, &before)))
        };
        Ok(self.config.scopes.iter().filter_map(under).collect())
    }

    fn compile(&self, policy: &FabricPolicy) -> Result<Compiled, FabricPolicyError> {
        let links: BTreeMap<ClusterId, Metrics> =
            self.neighbours.iter().map(|(id, n)| (id.clone(), n.link.metrics())).collect();
        let fabric = self.fabric().map_or_else(
            || Err(FabricPolicyError { field: "scopes".into(), why: "expected `fabric`".into() }),
            |spec| Ok(&spec.scope),
        )?;
        policy.compile(&self.config.cluster, fabric, &links)
    }

    /// The fabric's own scope: that of the clusters.
    fn fabric(&self) -> Option<&ScopeSpec> {
        self.config.scopes.iter().find(|spec| spec.kind == DestinationKind::Cluster)
    }

    fn put_in_force(&mut self, now: Now, book: &mut Book) {
        for spec in &self.config.scopes {
            let Some(before) = policy_of(book, spec) else { continue };
            let policy = self.policy_for(&self.compiled, spec, &before);
            if policy != before {
                // It was checked when it was compiled, and the table is there.
                let set: Result<(), BookError> = book.set_policy(now, &spec.table, policy);
                debug_assert!(set.is_ok(), "{set:?}");
            }
        }
        let Self { neighbours, compiled, .. } = self;
        for (id, neighbour) in neighbours {
            for (scope, outlet) in &mut neighbour.outlets {
                outlet.set_export(compiled.export_to(id, scope));
            }
        }
    }

    /// What a table's policy becomes: the fabric's own is replaced but for its bounds and what it
    /// resolves; of another table only what concerns neighbours is.
    fn policy_for(&self, compiled: &Compiled, spec: &ScopeSpec, before: &Policy) -> Policy {
        if spec.kind == DestinationKind::Cluster {
            return Policy {
                resolve: before.resolve.clone(),
                bounds: before.bounds.clone(),
                ..compiled.fabric.clone()
            };
        }
        let mut policy = before.clone();
        policy.import_of.retain(|source, _| !source.starts_with("neighbour/"));
        for neighbour in self.neighbours.keys() {
            let (source, rules) = compiled.import_from(neighbour, &spec.scope);
            policy.import_of.insert(source, rules);
        }
        policy.criteria = by_path(before.criteria_for(spec.kind));
        policy
    }

    /// Why a route that a neighbour has said stands denied.
    pub(crate) fn why_denied(
        &self,
        neighbour: &ClusterId,
        scope: &Scope,
        destination: &AnyDestination,
        received: &Attributes,
    ) -> Reason {
        let Some(of) = self.neighbours.get(neighbour) else { return Reason::Policy };
        let source = crate::policy::source_of(neighbour);
        let fabric = self.compiled.fabric.import_of.get(&source);
        let carried = || self.compiled.import_of.get(scope).and_then(|lists| lists.get(&source));
        let rules = match self.fabric().is_some_and(|spec| spec.scope == *scope) {
            true => fabric,
            false => carried(),
        };
        let Some(rules) = rules else { return Reason::Policy };
        let info = SourceInfo { tags: of.spec.tags.clone(), ..SourceInfo::default() };
        let received = received.clone();
        let trace = match destination {
            AnyDestination::Cluster(to) => rules.judge(to, &of.source, &info, received),
            AnyDestination::Service(to) => rules.judge(to, &of.source, &info, received),
            AnyDestination::Prefix(to) => rules.judge(to, &of.source, &info, received),
        };
        crate::policy::reason_of(&trace.decided_by)
    }
}

/// Criteria that look at the path, which a carried table's must: where two neighbours' routes are
/// alike but for their names, the lesser name would win whatever the path, so clusters in a circle
/// would each prefer the next for ever (a dispute wheel that nobody has configured). What a table
/// says itself goes before; what is this cluster's own has a path of no length, and so stays equal.
fn by_path(mut criteria: Vec<Criterion>) -> Vec<Criterion> {
    let end = criteria.iter().position(|c| matches!(c, Criterion::Equal | Criterion::Identity));
    let end = end.unwrap_or(criteria.len());
    let missing = [Criterion::Score, Criterion::Hops].into_iter().filter(|c| !criteria.contains(c));
    let missing: Vec<Criterion> = missing.collect();
    criteria.splice(end..end, missing);
    criteria
}

fn policy_of(book: &Book, spec: &ScopeSpec) -> Option<Policy> {
    fn of<D: Kind>(book: &Book, spec: &ScopeSpec) -> Option<Policy> {
        book.table::<D>(&spec.table).map(|table| table.policy().clone())
    }
    match spec.kind {
        DestinationKind::Cluster => of::<ClusterId>(book, spec),
        DestinationKind::Service => of::<Service>(book, spec),
        DestinationKind::Prefix => of::<Prefix>(book, spec),
    }
}

fn policy_refused(why: &str) -> Output {
    Output::Log(LogEvent {
        what: What::PolicyRefused,
        level: Level::Warn,
        neighbour: None,
        scope: None,
        destination: None,
        reason: None,
        why: why.into(),
    })
}

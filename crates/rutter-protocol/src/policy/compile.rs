//! Policy to rules.
//!
//! Each filter of a [`RoutePolicy`] becomes one rule that denies what doesn't fit, under the name of
//! its field (`neighbours.west.import.allowed_tags`), so that `explain` says which line of the
//! configuration it was. A conjunction of several filters in one rule that accepts was rejected: it
//! couldn't say which of them failed, and an overlay would have to repeat it.

mod filters;
mod origins;

use std::collections::BTreeMap;

use rutter_rib::{Action, Match, Over, PathListMatch, Policy, Rule, Rules, Then};
use rutter_route::{ClusterId, Criterion};

use super::{
    Compiled, FabricPolicy, FabricPolicyError, NeighbourPolicy, RoutePolicy, ScopePolicy, source_of,
};
use crate::wire::{MAX_PATH, Metrics, Scope};
use filters::{Filters, Side};

/// The rule that adds the link.
const LINK: &str = "link";

/// The rule that says who may originate what.
pub(super) const ORIGIN: &str = "origin";

pub(super) fn compile(
    policy: &FabricPolicy,
    own: &ClusterId,
    fabric: &Scope,
    links: &BTreeMap<ClusterId, Metrics>,
) -> Result<Compiled, FabricPolicyError> {
    super::check::check(policy, fabric)?;
    let mut compiled = Compiled {
        fabric: Policy {
            criteria: criteria(policy),
            score: policy.scoring,
            stability: policy.stability.clone(),
            ..Policy::default()
        },
        import_of: BTreeMap::new(),
        export: BTreeMap::new(),
    };
    for (neighbour, link) in links {
        let at = At { policy, own, neighbour, link: *link };
        let key = source_of(neighbour);
        compiled.fabric.import_of.insert(key.clone(), at.fabric_import());
        compiled.export.insert((neighbour.clone(), fabric.clone()), at.fabric_export());
        for (scope, carried) in &policy.carry {
            let import = compiled.import_of.entry(scope.clone()).or_default();
            import.insert(key.clone(), at.carried_import(scope, carried));
            let export = at.carried_export(scope, carried);
            compiled.export.insert((neighbour.clone(), scope.clone()), export);
        }
    }
    // What a table calls its criteria are the tie-breakers here.
    let wrong = |e: rutter_rib::PolicyError| FabricPolicyError {
        field: if e.field == "criteria" { "tie_breakers".into() } else { e.field },
        why: e.why,
    };
    compiled.fabric.check().map_err(wrong)?;
    for (scope, import_of) in &compiled.import_of {
        let alone = Policy { import_of: import_of.clone(), ..Policy::default() };
        alone.check().map_err(|e| FabricPolicyError {
            field: format!("carry.{scope}: {}", e.field),
            why: e.why,
        })?;
    }
    Ok(compiled)
}

fn criteria(policy: &FabricPolicy) -> Vec<Criterion> {
    let mut criteria = vec![Criterion::Standing, Criterion::Preference, Criterion::Score];
    match policy.tie_breakers.is_empty() {
        true => criteria.extend([Criterion::Hops, Criterion::Latency, Criterion::Reliability]),
        false => criteria.extend(policy.tie_breakers.iter().copied()),
    }
    criteria
}

/// Whose lists are made.
struct At<'a> {
    policy: &'a FabricPolicy,
    own: &'a ClusterId,
    neighbour: &'a ClusterId,
    link: Metrics,
}

impl At<'_> {
    fn of(&self) -> Option<&NeighbourPolicy> {
        self.policy.neighbours.get(self.neighbour)
    }

    fn fabric_import(&self) -> Rules {
        let (name, import) = match self.of().and_then(|n| n.import.as_ref()) {
            Some(own) => (format!("neighbours.{}.import", self.neighbour), own),
            None => ("import".to_owned(), &self.policy.import),
        };
        self.import(true, &name, Some(import))
    }

    fn carried_import(&self, scope: &Scope, carried: &ScopePolicy) -> Rules {
        let of = carried.neighbours.get(self.neighbour).and_then(|n| n.import.as_ref());
        match of {
            Some(import) => {
                let name = format!("carry.{scope}.neighbours.{}.import", self.neighbour);
                self.import(false, &name, Some(import))
            }
            None => self.import(false, &format!("carry.{scope}.import"), carried.import.as_ref()),
        }
    }

    /// The link, who may originate, the neighbour's or the global policy, and overlays on top.
    fn import(&self, fabric: bool, name: &str, policy: Option<&RoutePolicy>) -> Rules {
        let mut rules = vec![self.link()];
        let Some(policy) = policy else {
            rules.push(deny(name, Match::default()));
            return Rules { rules, default: None };
        };
        origins::add(self.policy, fabric, &mut rules);
        let side = Side::Import(self.neighbour);
        Filters { own: self.own, fabric, side, name, origin: None }.add(policy, &mut rules);
        for (cluster, overlay) in &self.policy.clusters {
            let name = &format!("clusters.{cluster}");
            let origin = Some(cluster);
            Filters { own: self.own, fabric, side, name, origin }.add(overlay, &mut rules);
        }
        Rules { rules, default: None }
    }

    fn link(&self) -> Rule {
        let then = Then { over: Some(Over::from(self.link)), ..Then::default() };
        Rule { name: LINK.into(), matches: Match::default(), then }
    }

    fn fabric_export(&self) -> Rules {
        let mut rules = self.not_back();
        self.export(true, "export", &self.policy.export, &mut rules);
        if let Some(export) = self.of().and_then(|n| n.export.as_ref()) {
            let name = format!("neighbours.{}.export", self.neighbour);
            self.export(true, &name, export, &mut rules);
        }
        Rules { rules, default: Some(Action::Accept) }
    }

    /// Of a carried scope the neighbour's export stands in place of the scope's.
    fn carried_export(&self, scope: &Scope, carried: &ScopePolicy) -> Rules {
        let of = carried.neighbours.get(self.neighbour).and_then(|n| n.export.as_ref());
        let name = match of {
            Some(_) => format!("carry.{scope}.neighbours.{}.export", self.neighbour),
            None => format!("carry.{scope}.export"),
        };
        let mut rules = self.not_back();
        match of.or(carried.export.as_ref()) {
            Some(export) => self.export(false, &name, export, &mut rules),
            None => rules.push(deny(&name, Match::default())),
        }
        Rules { rules, default: Some(Action::Accept) }
    }

    fn export(&self, fabric: bool, name: &str, policy: &RoutePolicy, rules: &mut Vec<Rule>) {
        Filters { own: self.own, fabric, side: Side::Export, name, origin: None }
            .add(policy, rules);
    }

    /// What the neighbour would refuse isn't told: where it stands in the path, and where the path
    /// has no room for this cluster.
    fn not_back(&self) -> Vec<Rule> {
        let through = |clusters, longer_than| Match {
            path_list: Some(PathListMatch { clusters, tables: Vec::new(), longer_than }),
            ..Match::default()
        };
        vec![
            deny("in the path", through(vec![self.neighbour.clone()], None)),
            deny("the path is full", through(Vec::new(), Some(MAX_PATH - 1))),
        ]
    }
}

pub(super) fn deny(name: &str, matches: Match) -> Rule {
    let then = Then { action: Action::Deny, ..Then::default() };
    Rule { name: name.into(), matches, then }
}

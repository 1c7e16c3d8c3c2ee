//! One [`RoutePolicy`] as rules.

use rutter_rib::{Match, PrefixMatch, Rule, TagMatch, Then};
use rutter_route::{ClusterId, Prefix, SourceKind};

use super::deny;
use crate::policy::{RoutePolicy, source_of};

/// Which way the routes go.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    /// In, from this neighbour.
    Import(&'a ClusterId),
    /// Out, from whomever.
    Export,
}

/// Where a policy stands.
pub(super) struct Filters<'a> {
    pub(super) own: &'a ClusterId,
    /// In the fabric's own scope there are neither services nor prefixes.
    pub(super) fabric: bool,
    pub(super) side: Side<'a>,
    /// The policy's place in the configuration.
    pub(super) name: &'a str,
    /// An overlay concerns what comes from this cluster alone.
    pub(super) origin: Option<&'a ClusterId>,
}

impl Filters<'_> {
    /// Appends the rules of a policy.
    pub(super) fn add(&self, policy: &RoutePolicy, rules: &mut Vec<Rule>) {
        self.advertisers(policy, rules);
        self.destinations(policy, rules);
        self.tags(policy, rules);
        if !self.fabric {
            self.kinds(policy, rules);
        }
        if policy.max_hops.is_some() {
            let too_long = Match { hops_over: policy.max_hops, ..self.all() };
            rules.push(self.deny("max_hops", too_long));
        }
        if policy.preference.is_some() || !policy.add_tags.is_empty() {
            let then = Then {
                preference: policy.preference,
                add_tags: policy.add_tags.iter().cloned().collect(),
                ..Then::default()
            };
            rules.push(Rule { name: self.name.into(), matches: self.all(), then });
        }
    }

    fn deny(&self, field: &str, matches: Match) -> Rule {
        deny(&format!("{}.{field}", self.name), matches)
    }

    /// All that the policy concerns.
    fn all(&self) -> Match {
        Match { origin: self.origin.into_iter().cloned().collect(), ..Match::default() }
    }

    fn advertisers(&self, policy: &RoutePolicy, rules: &mut Vec<Rule>) {
        let denied = &policy.deny_advertisers;
        let allowed = policy.allowed_advertisers.as_ref();
        match self.side {
            // Who says it is known already.
            Side::Import(from) => {
                if denied.contains(from) {
                    rules.push(self.deny("deny_advertisers", self.all()));
                }
                if allowed.is_some_and(|allowed| !allowed.contains(from)) {
                    rules.push(self.deny("allowed_advertisers", self.all()));
                }
            }
            Side::Export => {
                for from in denied {
                    rules.push(self.deny("deny_advertisers", self.said_by(from)));
                }
                if let Some(allowed) = allowed {
                    let unless = allowed.iter().map(|from| self.said_by(from)).collect();
                    let others = Match { unless, ..self.all() };
                    rules.push(self.deny("allowed_advertisers", others));
                }
            }
        }
    }

    /// What a neighbour has said, or this cluster by itself.
    fn said_by(&self, cluster: &ClusterId) -> Match {
        match cluster == self.own {
            true => own(),
            false => Match { source: Some(source_of(cluster)), ..Match::default() },
        }
    }

    fn destinations(&self, policy: &RoutePolicy, rules: &mut Vec<Rule>) {
        let from = |clusters: &std::collections::BTreeSet<ClusterId>| {
            let origin = clusters.iter().cloned().collect();
            let mut list = match clusters.is_empty() {
                true => Vec::new(),
                false => vec![Match { origin, ..Match::default() }],
            };
            // This cluster's own services have no path that would name it.
            if clusters.contains(self.own) {
                list.push(own());
            }
            list
        };
        if let Some(overlaid) = self.origin {
            if policy.deny_destinations.contains(overlaid) {
                rules.push(self.deny("deny_destinations", self.all()));
            }
            if policy.allowed_destinations.as_ref().is_some_and(|a| !a.contains(overlaid)) {
                rules.push(self.deny("allowed_destinations", self.all()));
            }
            return;
        }
        for matches in from(&policy.deny_destinations) {
            rules.push(self.deny("deny_destinations", matches));
        }
        if let Some(allowed) = &policy.allowed_destinations {
            let others = Match { unless: from(allowed), ..self.all() };
            rules.push(self.deny("allowed_destinations", others));
        }
    }

    fn tags(&self, policy: &RoutePolicy, rules: &mut Vec<Rule>) {
        if !policy.deny_tags.is_empty() {
            let any = policy.deny_tags.iter().cloned().collect();
            let tags = TagMatch { any, ..TagMatch::default() };
            rules.push(self.deny("deny_tags", Match { tags, ..self.all() }));
        }
        if let Some(allowed) = &policy.allowed_tags {
            let none = allowed.iter().cloned().collect();
            let tags = TagMatch { none, ..TagMatch::default() };
            rules.push(self.deny("allowed_tags", Match { tags, ..self.all() }));
        }
    }

    fn kinds(&self, policy: &RoutePolicy, rules: &mut Vec<Rule>) {
        if let Some(suffixes) = &policy.services {
            rules.push(self.deny("services", Match { unless: not_under(suffixes), ..self.all() }));
        }
        if let Some(within) = &policy.prefixes {
            let outside = Match { origin: self.all().origin, ..prefixes_outside(within) };
            rules.push(self.deny("prefixes", outside));
        }
    }
}

/// This cluster's own: what no neighbour has said.
fn own() -> Match {
    let kind = SourceKind::ALL.into_iter().filter(|kind| *kind != SourceKind::Neighbour).collect();
    Match { kind, ..Match::default() }
}

/// What a rule against services passes over: those under one of these names, and all prefixes.
pub(super) fn not_under(suffixes: &[rutter_route::ServiceName]) -> Vec<Match> {
    let under = |suffix: &rutter_route::ServiceName| Match {
        service_suffix: Some(suffix.clone()),
        ..Match::default()
    };
    let prefixes = Match { prefix: Some(any_prefix()), ..Match::default() };
    suffixes.iter().map(under).chain([prefixes]).collect()
}

/// Prefixes that lie in none of these.
pub(super) fn prefixes_outside(within: &[Prefix]) -> Match {
    let inside = Match { prefix: Some(PrefixMatch::OrLonger(within.to_vec())), ..Match::default() };
    Match { prefix: Some(any_prefix()), unless: vec![inside], ..Match::default() }
}

fn any_prefix() -> PrefixMatch {
    PrefixMatch::OrLonger(vec![Prefix::DEFAULT_V4, Prefix::DEFAULT_V6])
}

//! `autoApprovers`: what rules approve.
//!
//! A route of a node is approved if an approver of `exitNode` names the node, for `0.0.0.0/0` and
//! `::/0`; for any other if an approver of a network names the node in which the route lies. All
//! networks are tried, not just the longest, and one approver is enough. A default route among
//! `routes` covers what lies in it and never itself: an exit node carries everybody's traffic, so it
//! is asked for by its own name.
//!
//! They become rules of the table's import policy, so `explain` names the one that approved. The
//! table keeps what a rule approved as its word; whether the word outlives the rule is the table's
//! `strict`. A person's revocation stands before any rule.

use std::collections::BTreeSet;

use rutter_rib::{Action, Match, PrefixMatch, Rule, Rules, TagMatch, Then};
use rutter_route::{Prefix, SourceKind, Tag};

use crate::UserName;

/// Who approves by being the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approvers {
    /// Untagged nodes of these users, groups resolved.
    pub users: BTreeSet<UserName>,
    /// Nodes that hold one of these tags.
    pub tags: BTreeSet<Tag>,
}

/// A network and who approves routes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedRoutes {
    /// The network.
    pub within: Prefix,
    /// Who.
    pub approvers: Approvers,
}

/// What rules approve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutoApprovers {
    /// Subnets, in the order of the file.
    pub routes: Vec<ApprovedRoutes>,
    /// Exit nodes.
    pub exit_node: Approvers,
}

impl AutoApprovers {
    /// The import rules of the table `nodes`: they approve and leave the rest to others.
    pub fn rules(&self) -> Rules {
        let mut rules = Vec::new();
        for routes in &self.routes {
            let name = format!("autoApprovers.routes[{}]", routes.within);
            push(&mut rules, &name, &subnets_in(routes.within), &routes.approvers);
        }
        let exit = PrefixMatch::Exact(vec![Prefix::DEFAULT_V4, Prefix::DEFAULT_V6]);
        push(&mut rules, "autoApprovers.exitNode", &exit, &self.exit_node);
        Rules { rules, default: None }
    }
}

/// What lies in a network, without the default routes.
fn subnets_in(within: Prefix) -> PrefixMatch {
    if !within.is_default() {
        return PrefixMatch::OrLonger(vec![within]);
    }
    let to = if within.is_v4() { 32 } else { 128 };
    PrefixMatch::Range { within, from: 1, to }
}

/// The conditions of a rule hold together, so users and tags have a rule each.
fn push(rules: &mut Vec<Rule>, name: &str, prefix: &PrefixMatch, approvers: &Approvers) {
    let on_prefix =
        Match { kind: vec![SourceKind::Node], prefix: Some(prefix.clone()), ..Match::default() };
    let then = || Then { action: Action::Next, approve: true, ..Then::default() };
    if !approvers.users.is_empty() {
        let owner = approvers.users.iter().map(UserName::owner).collect();
        let matches = Match { owner, ..on_prefix.clone() };
        rules.push(Rule { name: name.into(), matches, then: then() });
    }
    if !approvers.tags.is_empty() {
        let any = approvers.tags.iter().cloned().collect();
        let source_tags = TagMatch { any, ..TagMatch::default() };
        let matches = Match { source_tags, ..on_prefix };
        rules.push(Rule { name: name.into(), matches, then: then() });
    }
}

#[cfg(test)]
mod tests;

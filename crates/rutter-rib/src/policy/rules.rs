//! An ordered list of rules: who may say what, and what becomes of it.
//!
//! Rules are tried in order. One that matches does what its `then` says to the attributes, which
//! later rules see; `accept` and `deny` end the list, `next` goes on. What no rule ends is decided
//! by `default`, or, in a list for one source without a default, by the table's list.

use rutter_route::{
    Attributes, Destination, DestinationKind, Group, MAX_PATH_LIST, NextHop, PathStep, PolicyTrace,
    Priority, SourceId, SourceInfo, Tag,
};
use serde::{Deserialize, Serialize};

use super::{Match, Over, PolicyError};

/// What ends a list, or doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The route may pass.
    Accept,
    /// It may not.
    Deny,
    /// The next rule is asked.
    #[default]
    Next,
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Then {
    /// Whether this ends the list.
    pub action: Action,
    /// Sets the preference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<u32>,
    /// Sets the priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Sets the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// Adds to the metric, set or not; what doesn't fit is the greatest that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_metric: Option<u32>,
    /// Adds what the way to whoever said it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// Sets the next hop. In export lists only: what is received resolves by what was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    /// Appends a step to the path list, in export lists only. A route whose list is full is denied:
    /// whoever hears it could not see any more where it came through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_step: Option<PathStep>,
    /// Sets the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Adds tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_tags: Vec<Tag>,
    /// Removes tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_tags: Vec<Tag>,
    /// Approves, where the table requires approval.
    pub approve: bool,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// What `explain` calls it; without one, its place in the list.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it matches.
    #[serde(rename = "match")]
    pub matches: Match,
    /// What it does.
    pub then: Then,
}

/// An ordered list of rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The rules, first asked first; at most [`Rules::MAX`].
    pub rules: Vec<Rule>,
    /// What becomes of a route that no rule ends. Left out: `accept` for a table's or a sink's
    /// list, the table's list for a source's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Action>,
}

/// What a list is asked about.
pub(crate) struct Subject<'a, D> {
    pub(crate) destination: &'a D,
    pub(crate) source: &'a SourceId,
    pub(crate) info: &'a SourceInfo,
}

impl<D> Clone for Subject<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Subject<'_, D> {}

/// What a list said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `None`: the list leaves it open.
    pub(crate) accepted: Option<bool>,
    /// A matching rule approves.
    pub(crate) approved_by: Option<usize>,
}

impl Rules {
    /// The longest list.
    pub const MAX: usize = 10_000;

    /// What the list by itself makes of a route, without a table that holds it: for whoever checks
    /// a policy before it is in force.
    pub fn judge<D: Destination>(
        &self,
        destination: &D,
        source: &SourceId,
        info: &SourceInfo,
        mut attributes: Attributes,
    ) -> PolicyTrace {
        let mut trace = PolicyTrace::default();
        let subject = Subject { destination, source, info };
        let outcome = self.ask(subject, &mut attributes, Some(&mut trace));
        trace.accepted = outcome.accepted.unwrap_or(true);
        if outcome.accepted.is_none() {
            trace.decided_by = "default".into();
        }
        trace
    }

    /// Whether it lets everything pass as it is.
    pub(crate) fn is_open(&self) -> bool {
        self.rules.is_empty() && self.default != Some(Action::Deny)
    }

    /// Whether what it says of these attributes may hang on the destination.
    pub(crate) fn asks_destination(&self, kind: DestinationKind, attributes: &Attributes) -> bool {
        self.rules.iter().any(|rule| rule.matches.asks_destination(kind, attributes))
    }

    /// Asks the list. `attributes` become what the rules make of them; `trace` hears what matched.
    pub(crate) fn ask<D: Destination>(
        &self,
        subject: Subject<'_, D>,
        attributes: &mut Attributes,
        mut trace: Option<&mut PolicyTrace>,
    ) -> Outcome {
        let mut approved_by = None;
        for (at, rule) in self.rules.iter().enumerate() {
            if !rule.matches.matches(&subject, attributes) {
                continue;
            }
            if !rule.then.apply(attributes) {
                if let Some(trace) = trace {
                    trace.matched.push(format!("{}: {}", self.name_of(at), rule.then));
                    trace.decided_by = format!("{}, as the path list is full", self.name_of(at));
                }
                return Outcome { accepted: Some(false), approved_by };
            }
            if rule.then.approve {
                approved_by = Some(at);
            }
            if let Some(trace) = trace.as_deref_mut() {
                trace.matched.push(format!("{}: {}", self.name_of(at), rule.then));
            }
            if rule.then.action == Action::Next {
                continue;
            }
            if let Some(trace) = trace {
                trace.decided_by = self.name_of(at);
            }
            return Outcome { accepted: Some(rule.then.action == Action::Accept), approved_by };
        }
        let accepted = match self.default {
            Some(Action::Accept) => Some(true),
            Some(Action::Deny) => Some(false),
            Some(Action::Next) | None => None,
        };
        if let (Some(trace), Some(_)) = (trace, accepted) {
            trace.decided_by = "default".into();
        }
        Outcome { accepted, approved_by }
    }

    /// What people call a rule.
    pub(crate) fn name_of(&self, at: usize) -> String {
        match self.rules.get(at) {
            Some(rule) if !rule.name.is_empty() => rule.name.clone(),
            _ => format!("rule {}", at + 1),
        }
    }

    pub(crate) fn check(&self, at: &str) -> Result<(), PolicyError> {
        if self.rules.len() > Self::MAX {
            return Err(PolicyError::new(at, "at most 10000 rules"));
        }
        for (n, rule) in self.rules.iter().enumerate() {
            rule.matches.check(&format!("{at}.rules[{n}].match"))?;
        }
        Ok(())
    }
}

impl Rules {
    /// What only an export list may do.
    pub(super) fn check_import(&self, at: &str) -> Result<(), PolicyError> {
        for (n, rule) in self.rules.iter().enumerate() {
            let field = match &rule.then {
                Then { next_hop: Some(_), .. } => "next_hop",
                Then { append_step: Some(_), .. } => "append_step",
                _ => continue,
            };
            let field = format!("{at}.rules[{n}].then.{field}");
            return Err(PolicyError::new(&field, "only an export list does this"));
        }
        Ok(())
    }
}

impl Then {
    /// Whether there was room for what it appends.
    fn apply(&self, attributes: &mut Attributes) -> bool {
        attributes.preference = self.preference.unwrap_or(attributes.preference);
        attributes.priority = self.priority.unwrap_or(attributes.priority);
        attributes.metric = self.metric.unwrap_or(attributes.metric);
        attributes.metric = attributes.metric.saturating_add(self.add_metric.unwrap_or(0));
        if let Some(over) = &self.over {
            over.extend(attributes);
        }
        if let Some(hop) = &self.next_hop {
            attributes.next_hop = hop.clone();
        }
        if let Some(group) = &self.group {
            attributes.group = Some(group.clone());
        }
        for tag in &self.remove_tags {
            attributes.tags.remove(tag);
        }
        for tag in &self.add_tags {
            // A route that is full of tags keeps those it has; the bound is the route's.
            if attributes.tags.insert(tag.clone()).is_err() {
                break;
            }
        }
        let Some(step) = &self.append_step else { return true };
        let room = attributes.path_list.len() < MAX_PATH_LIST;
        if room {
            attributes.path_list.push(step.clone());
        }
        room
    }
}

impl std::fmt::Display for Then {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.action {
            Action::Accept => "accept",
            Action::Deny => "deny",
            Action::Next => "next",
        })?;
        if let Some(n) = self.preference {
            write!(f, ", preference {n}")?;
        }
        if let Some(n) = self.priority {
            write!(f, ", priority {n}")?;
        }
        if let Some(n) = self.metric {
            write!(f, ", metric {n}")?;
        }
        if let Some(n) = self.add_metric {
            write!(f, ", metric +{n}")?;
        }
        if let Some(over) = &self.over {
            write!(f, ", over {over}")?;
        }
        if let Some(hop) = &self.next_hop {
            write!(f, ", next hop {hop}")?;
        }
        if let Some(step) = &self.append_step {
            write!(f, ", step {}/{}", step.cluster, step.table)?;
        }
        if let Some(group) = &self.group {
            write!(f, ", group {group}")?;
        }
        for tag in &self.add_tags {
            write!(f, ", tag {tag}")?;
        }
        for tag in &self.remove_tags {
            write!(f, ", untag {tag}")?;
        }
        if self.approve {
            f.write_str(", approve")?;
        }
        Ok(())
    }
}

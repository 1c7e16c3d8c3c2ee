//! From what is written to what it means.
//!
//! A check notes its problem and goes on, so that one mistake hides no other. Names are defined
//! first (groups, tags, hosts), then used.

mod rules;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use rutter_route::{ParseError, Prefix, Tag};
use rutter_yaml::{Problem, Spot, unknown_word};
use smol_str::SmolStr;

use crate::UserName;
use crate::names::{GroupName, is_word};
use crate::node::parse_tag;

use super::hujson::{self, Placed, Value};
use super::{ApprovedRoutes, Approvers, AutoApprovers, PolicyFile, TagOwners};

const TOP: [&str; 6] = ["groups", "tagOwners", "hosts", "autoApprovers", "acls", "grants"];

type Members = Vec<(Placed<String>, Placed<Value>)>;

/// Reads a policy, or says everything that is wrong with it.
pub(super) fn file(text: &str) -> Result<PolicyFile, Vec<Problem>> {
    let top = hujson::parse(text)?;
    let mut reader = Reader::default();
    let mut sections: BTreeMap<String, Placed<Value>> =
        reader.object(top, &[], &TOP).into_iter().map(|(key, value)| (key.is, value)).collect();
    let mut section = |name: &str| sections.remove(name);
    if let Some(groups) = section("groups") {
        reader.groups(groups);
    }
    let tag_owners = section("tagOwners").map(|owners| reader.tag_names(owners));
    if let Some(hosts) = section("hosts") {
        reader.hosts(hosts);
    }
    let tag_owners = reader.tag_owners(tag_owners.unwrap_or_default());
    let auto_approvers = section("autoApprovers").map(|value| reader.auto_approvers(value));
    let access = reader.access(section("acls"), section("grants"));
    if !reader.problems.is_empty() {
        reader.problems.sort_by_key(|p| p.spot.map(|s| s.offset));
        return Err(reader.problems);
    }
    Ok(PolicyFile {
        groups: reader.groups,
        tag_owners,
        hosts: reader.hosts,
        auto_approvers: auto_approvers.unwrap_or_default(),
        access,
    })
}

/// What was defined, and what is wrong so far.
#[derive(Debug, Default)]
struct Reader {
    problems: Vec<Problem>,
    groups: BTreeMap<GroupName, BTreeSet<UserName>>,
    tags: BTreeSet<Tag>,
    hosts: BTreeMap<SmolStr, Prefix>,
}

impl Reader {
    fn problem(&mut self, path: &[&str], spot: Spot, message: impl Into<String>) {
        self.problem_with_help(path, spot, message, None);
    }

    fn problem_with_help(
        &mut self,
        path: &[&str],
        spot: Spot,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let path = path.iter().map(|p| (*p).to_owned()).collect();
        let problem = Problem::at_path(path, message);
        self.problems.push(Problem { help, spot: Some(spot), ..problem });
    }

    /// Notes what parsing said, if it failed.
    fn parsed<T>(&mut self, path: &[&str], spot: Spot, is: Result<T, ParseError>) -> Option<T> {
        is.map_err(|error| self.problem(path, spot, error.to_string())).ok()
    }

    fn expected(&mut self, path: &[&str], found: &Placed<Value>, expected: &str) {
        let message = format!("expected {expected}, found {}", found.is.kind());
        self.problem(path, found.spot, message);
    }

    /// An object of which these keys are known; others are noted and left out.
    fn object(&mut self, value: Placed<Value>, path: &[&str], known: &[&str]) -> Members {
        let mut members = self.named(value, path, "an object");
        members.retain(|(key, _)| {
            let is_known = known.contains(&key.is.as_str());
            if !is_known {
                let (message, help) = unknown_word("key", &key.is, known);
                let path: Vec<&str> = path.iter().copied().chain([key.is.as_str()]).collect();
                self.problem_with_help(&path, key.spot, message, help);
            }
            is_known
        });
        members
    }

    /// An object with keys of the file's own.
    fn named(&mut self, value: Placed<Value>, path: &[&str], expected: &str) -> Members {
        match value.is {
            Value::Object(members) => members,
            _ => {
                self.expected(path, &value, expected);
                Vec::new()
            }
        }
    }

    fn list(&mut self, value: Placed<Value>, path: &[&str]) -> Vec<Placed<Value>> {
        match value.is {
            Value::List(list) => list,
            _ => {
                self.expected(path, &value, "a list");
                Vec::new()
            }
        }
    }

    /// A list of texts.
    fn texts(&mut self, value: Placed<Value>, path: &[&str]) -> Vec<Placed<String>> {
        let mut texts = Vec::new();
        for value in self.list(value, path) {
            match value.is {
                Value::Text(text) => texts.push(Placed { is: text, spot: value.spot }),
                _ => self.expected(path, &value, "a text"),
            }
        }
        texts
    }

    fn groups(&mut self, value: Placed<Value>) {
        for (key, users) in self.named(value, &["groups"], "an object of groups") {
            let path = ["groups", key.is.as_str()];
            let name = self.parsed(&path, key.spot, key.is.parse());
            let mut members = BTreeSet::new();
            for user in self.texts(users, &path) {
                if user.is.starts_with("group:") {
                    self.problem(&path, user.spot, "a group's members are users, not groups");
                    continue;
                }
                members.extend(self.parsed::<UserName>(&path, user.spot, user.is.parse()));
            }
            if let Some(name) = name {
                self.groups.insert(name, members);
            }
        }
    }

    /// Notes which tags there are: their owners may name each other.
    fn tag_names(&mut self, value: Placed<Value>) -> Vec<(Tag, Placed<Value>)> {
        let mut owners = Vec::new();
        for (key, value) in self.named(value, &["tagOwners"], "an object of tags") {
            let tag = self.parsed(&["tagOwners", &key.is], key.spot, parse_tag(&key.is));
            if let Some(tag) = tag {
                self.tags.insert(tag.clone());
                owners.push((tag, value));
            }
        }
        owners
    }

    fn tag_owners(&mut self, owners: Vec<(Tag, Placed<Value>)>) -> BTreeMap<Tag, TagOwners> {
        let mut of = BTreeMap::new();
        for (tag, value) in owners {
            let Approvers { users, tags } = self.owners(value, &["tagOwners", tag.as_str()]);
            of.insert(tag, TagOwners { users, tags });
        }
        of
    }

    fn hosts(&mut self, value: Placed<Value>) {
        for (key, value) in self.named(value, &["hosts"], "an object of networks") {
            let path = ["hosts", key.is.as_str()];
            if !is_word(&key.is) {
                let message = "a host's name is 1 to 63 of `a-zA-Z0-9-_.`";
                self.problem(&path, key.spot, message);
            }
            let Value::Text(text) = &value.is else {
                self.expected(&path, &value, "an address or a network");
                continue;
            };
            if let Some(network) = self.parsed(&path, value.spot, words::network(text)) {
                self.hosts.insert(key.is.as_str().into(), network);
            }
        }
    }

    fn auto_approvers(&mut self, value: Placed<Value>) -> AutoApprovers {
        let mut approvers = AutoApprovers::default();
        let path = ["autoApprovers"];
        for (key, value) in self.object(value, &path, &["routes", "exitNode"]) {
            if key.is == "exitNode" {
                approvers.exit_node = self.owners(value, &["autoApprovers", "exitNode"]);
                continue;
            }
            let path = ["autoApprovers", "routes"];
            for (network, value) in self.named(value, &path, "an object of networks") {
                let path = ["autoApprovers", "routes", network.is.as_str()];
                let within = self.parsed(&path, network.spot, network.is.parse());
                let named = self.owners(value, &path);
                if let Some(within) = within {
                    approvers.routes.push(ApprovedRoutes { within, approvers: named });
                }
            }
        }
        let n_rules = approvers.rules().rules.len();
        let most = rutter_rib::Rules::MAX;
        if n_rules > most {
            let path = path.iter().map(|p| (*p).to_owned()).collect();
            let message = format!("these are {n_rules} rules, a table takes {most}");
            self.problems.push(Problem::at_path(path, message));
        }
        approvers
    }
}

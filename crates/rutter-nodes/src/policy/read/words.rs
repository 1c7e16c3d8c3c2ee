//! Single words: owners, networks, selectors.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rutter_route::{ParseError, Prefix, Tag};
use rutter_yaml::{Spot, unknown_word};

use crate::UserName;
use crate::names::GroupName;
use crate::node::parse_tag;
use crate::policy::hujson::{Placed, Value};
use crate::policy::{Approvers, Selector};

use super::Reader;

const AUTOGROUPS: [&str; 3] = ["autogroup:internet", "autogroup:member", "autogroup:tagged"];

/// An address, or a network.
pub(super) fn network(text: &str) -> Result<Prefix, ParseError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Prefix::host(address)),
        Err(_) => text.parse(),
    }
}

impl Reader {
    /// A list of users, groups and tags.
    pub(super) fn owners(&mut self, value: Placed<Value>, path: &[&str]) -> Approvers {
        let mut owners = Approvers::default();
        for word in self.texts(value, path) {
            if word.is.starts_with("group:") {
                owners.users.extend(self.group(&word.is, path, word.spot).unwrap_or_default());
            } else if word.is.starts_with("tag:") {
                owners.tags.extend(self.tag(&word.is, path, word.spot));
            } else if word.is.contains('@') {
                owners.users.extend(self.parsed::<UserName>(path, word.spot, word.is.parse()));
            } else {
                let message = format!("`{}` is nobody who approves or owns", word.is);
                let help = "expected a user (`alice@`), `group:NAME` or `tag:NAME`".to_owned();
                self.problem_with_help(path, word.spot, message, Some(help));
            }
        }
        owners
    }

    /// The users of a group that is defined.
    fn group(&mut self, text: &str, path: &[&str], spot: Spot) -> Option<BTreeSet<UserName>> {
        let name: GroupName = self.parsed(path, spot, text.parse())?;
        let users = self.groups.get(&name).cloned();
        if users.is_none() {
            let known: Vec<String> = self.groups.keys().map(GroupName::to_string).collect();
            self.unknown("group", text, &known, path, spot);
        }
        users
    }

    /// A tag that is defined.
    pub(super) fn tag(&mut self, text: &str, path: &[&str], spot: Spot) -> Option<Tag> {
        let tag = self.parsed(path, spot, parse_tag(text))?;
        if !self.tags.contains(&tag) {
            let known: Vec<String> = self.tags.iter().map(Tag::to_string).collect();
            self.unknown("tag", text, &known, path, spot);
            return None;
        }
        Some(tag)
    }

    fn unknown(&mut self, what: &str, word: &str, known: &[String], path: &[&str], spot: Spot) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let (message, help) = unknown_word(what, word, &known);
        self.problem_with_help(path, spot, message, help);
    }

    /// Any selector.
    pub(super) fn selector(&mut self, text: &str, path: &[&str], spot: Spot) -> Option<Selector> {
        if text == "*" {
            return Some(Selector::Any);
        }
        if text.starts_with("autogroup:") {
            return self.autogroup(text, path, spot);
        }
        if text.starts_with("group:") {
            return self.group(text, path, spot).map(Selector::Users);
        }
        if text.starts_with("tag:") {
            return self.tag(text, path, spot).map(Selector::Tag);
        }
        if text.contains('@') {
            let user = self.parsed::<UserName>(path, spot, text.parse())?;
            return Some(Selector::Users([user].into()));
        }
        if let Some(network) = self.hosts.get(text) {
            return Some(Selector::Network(*network));
        }
        if text.contains(['/', ':']) || text.parse::<IpAddr>().is_ok() {
            return self.parsed(path, spot, network(text)).map(Selector::Network);
        }
        let known: Vec<String> = self.hosts.keys().map(ToString::to_string).collect();
        self.unknown("host", text, &known, path, spot);
        None
    }

    fn autogroup(&mut self, text: &str, path: &[&str], spot: Spot) -> Option<Selector> {
        match text {
            "autogroup:internet" => Some(Selector::Internet),
            "autogroup:member" => Some(Selector::Members),
            "autogroup:tagged" => Some(Selector::Tagged),
            _ => {
                let known = AUTOGROUPS.map(str::to_owned);
                self.unknown("autogroup", text, &known, path, spot);
                None
            }
        }
    }
}

//! The labels of a container, given to its aliases: GoDoxy's label algebra.
//!
//! - `proxy.KEY` with a key that is the container's own says something of all of it.
//! - `proxy.ports` and its like give their items to the aliases in order.
//! - `proxy.ALIAS.FIELD` says something of an alias, and makes one that wasn't listed;
//!   `proxy.#N.FIELD` of the N-th listed; `proxy.*.FIELD` of all.
//! - `proxy.ALIAS` holds the same as YAML.
//!
//! Where several say the same field of one alias, `*` wins over the name and the name over the
//! number. Fewer dots are applied first, so that a label says more than YAML around it
//! (`merge.rs`).

mod assign;
mod merge;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rutter_yaml::{Problem, unknown_word};

use crate::godoxy::fields::is_alike;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::{Entries, Tree};
use crate::godoxy::written::{IDLE_FIELDS, Idle};

use super::Container;

/// The container's own keys.
const OWN: [&str; 11] = [
    "aliases",
    "exclude",
    "network",
    "idle_timeout",
    "wake_timeout",
    "stop_method",
    "stop_timeout",
    "stop_signal",
    "start_endpoint",
    "depends_on",
    "no_loading_page",
];

/// Lists whose items are the aliases' in order, each with the field that it says.
const SHORTCUTS: [(&str, &str); 22] = [
    ("ports", "port"),
    ("protos", "scheme"),
    ("protocols", "scheme"),
    ("schemes", "scheme"),
    ("hosts", "host"),
    ("binds", "bind"),
    ("roots", "root"),
    ("spas", "spa"),
    ("indexes", "index"),
    ("no_tls_verifies", "no_tls_verify"),
    ("response_header_timeouts", "response_header_timeout"),
    ("max_conns_per_hosts", "max_conns_per_host"),
    ("disable_compressions", "disable_compression"),
    ("ssl_server_names", "ssl_server_name"),
    ("ssl_trusted_certificates", "ssl_trusted_certificate"),
    ("ssl_certificates", "ssl_certificate"),
    ("ssl_certificate_keys", "ssl_certificate_key"),
    ("agents", "agent"),
    ("inbound_mtls_profiles", "inbound_mtls_profile"),
    ("rule_files", "rule_file"),
    ("tls_terminations", "tls_termination"),
    ("proxy_protocol_headers", "relay_proxy_protocol_header"),
];

/// What labels say of a container.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    /// Whether it has a label of ours.
    pub(super) is_explicit: bool,
    /// Whether it is not to be served.
    pub(super) is_excluded: bool,
    /// The network that it is reached by.
    pub(super) network: Option<String>,
    /// Whether it would be put to sleep.
    pub(super) idle: Idle,
    /// Its aliases: those listed in their order, then those that only labels name.
    pub(super) aliases: Vec<LabelledAlias>,
    /// What concerns all of it.
    pub(super) notes: Notes,
}

/// An alias and what labels say of it.
#[derive(Debug, PartialEq)]
pub(super) struct LabelledAlias {
    /// The alias, in lower case.
    pub(super) name: String,
    /// Its fields.
    pub(super) fields: Tree,
    /// Labels of it that make no sense.
    pub(super) problems: Vec<Problem>,
}

/// Reads a container's labels.
pub(super) fn read(container: &Container) -> Labelled {
    let mut to = Labelled { is_explicit: container.is_labelled(), ..Labelled::default() };
    let mut listed = vec![container.name().to_lowercase()];
    let mut idle = Entries::new();
    let mut shortcuts = Vec::new();
    let mut of_aliases = Vec::new();
    for (label, value) in &container.labels {
        let rest = match label.strip_prefix("proxy.") {
            Some(rest) => rest,
            None if label == "proxy" => "",
            None => continue,
        };
        if rest.split('.').any(str::is_empty) {
            to.notes.within(label, |notes| notes.problem("invalid label"));
            continue;
        }
        // A tab is no indentation in YAML, and compose files have them.
        let value = value.replace('\t', "  ");
        let (key, field) = rest.split_once('.').unwrap_or((rest, ""));
        if !field.is_empty() {
            of_aliases.push((label.as_str(), key, field, value));
        } else if let Some(own) = OWN.iter().find(|own| is_alike(key, own)) {
            match *own {
                "aliases" => listed = aliases(&value).unwrap_or(listed),
                "exclude" => {
                    to.is_excluded = to.notes.within(label, |notes| {
                        notes.take(lax::boolean(&Tree::Text(value))).unwrap_or_default()
                    })
                }
                "network" => to.network = Some(value).filter(|network| !network.is_empty()),
                own => idle.push((own.to_owned(), Tree::Text(value))),
            }
        } else if let Some((_, field)) = SHORTCUTS.iter().find(|(list, _)| is_alike(key, list)) {
            shortcuts.push((label.as_str(), *field, value));
        } else if is_yaml_of_fields(&value) {
            of_aliases.push((label.as_str(), key, "", value));
        } else {
            let known = OWN.iter().copied().chain(SHORTCUTS.iter().map(|(list, _)| *list));
            let (_, help) = unknown_word("label", key, &known.collect::<Vec<_>>());
            to.notes.within(label, |notes| {
                notes.problem_with("neither a label of ours nor an alias with its fields", help);
            });
        }
    }
    to.notes.within("proxy", |notes| IDLE_FIELDS.read(&idle, &mut to.idle, notes));
    let mut assigned = assign::Assigned::new(&listed);
    for (label, key, field, value) in of_aliases {
        to.notes.within(label, |notes| assigned.label(key, field, value, notes));
    }
    for (label, field, value) in shortcuts {
        to.notes.within(label, |notes| assigned.shortcut(label, field, &value, notes));
    }
    to.aliases = assigned.into_aliases();
    to
}

fn aliases(value: &str) -> Option<Vec<String>> {
    let aliases: Vec<String> = lax::words(value).map(str::to_lowercase).collect();
    Some(aliases).filter(|aliases| !aliases.is_empty())
}

fn is_yaml_of_fields(value: &str) -> bool {
    lax::map(&Tree::Text(value.to_owned())).is_ok()
}

/// Fields by their dotted path.
type Paths = BTreeMap<String, Tree>;

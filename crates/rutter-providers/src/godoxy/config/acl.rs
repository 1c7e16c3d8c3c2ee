//! `acl`: who may connect.

use rutter_route::Prefix;

use super::top::{ignored, protects};
use super::{Setup, network};
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// Who may connect, over all listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// Whether those may whom no list names.
    pub allows_by_default: bool,
    /// Whether addresses of loopback and private networks may.
    pub allows_local: bool,
    /// Networks that may.
    pub allow: Vec<Prefix>,
    /// Networks that may not.
    pub deny: Vec<Prefix>,
}

impl Default for Acl {
    fn default() -> Self {
        Self { allows_by_default: true, allows_local: true, allow: Vec::new(), deny: Vec::new() }
    }
}

pub(super) fn read(to: &mut Setup, tree: &Tree, notes: &mut Notes) {
    if tree.is_zero() {
        return;
    }
    let mut acl = Acl::default();
    FIELDS.read_section(tree, &mut acl, notes);
    to.acl = Some(acl);
}

const FIELDS: Fields<Acl> = Fields(&[
    (&["default"], |to, tree, notes| {
        let word = notes.take(lax::text(tree)).unwrap_or_default();
        to.allows_by_default = match word.trim().to_lowercase().as_str() {
            "" | "allow" => true,
            "deny" => false,
            other => {
                notes.problem(format!("expected allow or deny, found `{other}`"));
                false
            }
        };
    }),
    // A word that can't be read closes.
    (&["allow_local"], |to, tree, notes| {
        to.allows_local = notes.take(lax::boolean(tree)).unwrap_or_default();
    }),
    (&["allow"], |to, tree, notes| to.allow = matchers(tree, notes)),
    (&["deny"], |to, tree, notes| to.deny = matchers(tree, notes)),
    (&["log"], |_, tree, notes| {
        ignored(tree, notes, "who was refused is counted, and logged at debug")
    }),
    (&["notify"], |_, tree, notes| ignored(tree, notes, "there are no notifications yet")),
]);

/// The networks of a list. What goes by a country or a time zone can't be told yet.
fn matchers(tree: &Tree, notes: &mut Notes) -> Vec<Prefix> {
    let list = notes.take(lax::list(tree)).unwrap_or_default();
    let mut networks = Vec::new();
    for (n, tree) in list.iter().enumerate() {
        notes.within(&n.to_string(), |notes| {
            let Some(text) = notes.take(lax::text(tree)) else { return };
            let (kind, value) = text.split_once(':').unwrap_or(("", &text));
            match kind.trim().to_lowercase().as_str() {
                "ip" | "cidr" => networks.extend(notes.take(network(value.trim()))),
                "country" | "tz" | "timezone" => {
                    let what = format!("nobody is told apart by `{}`", kind.trim());
                    protects(&Tree::Bool(true), notes, &what);
                }
                _ => notes.problem(format!(
                    "expected `ip:`, `cidr:`, `country:` or `tz:` and a value, found `{text}`"
                )),
            }
        });
    }
    networks
}

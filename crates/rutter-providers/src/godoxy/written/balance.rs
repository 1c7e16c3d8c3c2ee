//! `load_balance`.

use std::time::Duration;

use rutter_route::{BalanceMode, Group, ServiceName};
use rutter_yaml::unknown_word;

use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;
use crate::{Balance, RemarkKind};

use super::{Written, said, yes};

#[derive(Default)]
struct Raw {
    link: Option<String>,
    mode: BalanceMode,
    weight: Option<u16>,
    is_sticky: bool,
    sticky_max_age: Option<Duration>,
}

const FIELDS: Fields<Raw> = Fields(&[
    (&["link"], |to, tree, notes| to.link = said(tree, notes)),
    (&["mode"], |to, tree, notes| to.mode = mode(tree, notes)),
    (&["weight"], |to, tree, notes| {
        let weight = notes.take(lax::whole(tree, 0, u16::MAX.into()));
        to.weight = weight.and_then(|weight| u16::try_from(weight).ok());
        if !tree.is_zero() {
            let message = "shares are kept to; the original computes them and uses them in no mode";
            notes.remark(RemarkKind::Differs, message);
        }
    }),
    (&["sticky"], |to, tree, notes| to.is_sticky = yes(tree, notes)),
    (&["sticky_max_age"], |to, tree, notes| {
        to.sticky_max_age = notes.take(lax::duration(tree)).flatten();
    }),
    (&["options"], |_, tree, notes| {
        if !tree.is_zero() {
            let message = "the address that ip_hash goes by is the one that the gateway sees";
            notes.remark(RemarkKind::Ignored, message);
        }
    }),
]);

pub(super) fn read(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    let mut raw = Raw::default();
    FIELDS.read_section(tree, &mut raw, notes);
    let Some(link) = raw.link else {
        if !tree.is_zero() {
            notes.remark(RemarkKind::Ignored, "without `link` it does nothing");
        }
        return;
    };
    let name: Result<ServiceName, _> = link.parse();
    // The name is a group's in the table, too, which has less room.
    let group: Result<Group, _> = link.parse();
    let link = notes.within("link", |notes| {
        let link = name.and_then(|name| group.map(|_| name));
        notes.take(link.map_err(|error| error.to_string()))
    });
    to.balance = link.map(|link| Balance {
        link,
        mode: raw.mode,
        weight: raw.weight.unwrap_or(1).max(1),
        is_sticky: raw.is_sticky,
        sticky_max_age: raw.sticky_max_age,
    });
}

/// A mode that nobody knows is taken for round robin and said, as in the original: who shares the
/// requests protects nothing.
fn mode(tree: &Tree, notes: &mut Notes) -> BalanceMode {
    let Some(word) = said(tree, notes) else { return BalanceMode::default() };
    BalanceMode::of_word(&word).unwrap_or_else(|| {
        notes.only_shown(|notes| {
            let (message, help) = unknown_word("mode", &word, &BalanceMode::WORDS);
            notes.problem_with(format!("{message}, so it is round_robin"), help);
        });
        BalanceMode::default()
    })
}

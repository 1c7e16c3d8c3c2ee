//! `access_log`: the gateway has one for all routes, so a route's own is read for its mistakes.

use crate::RemarkKind;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;
use crate::godoxy::units::Retention;

use super::{Written, said, yes};

#[derive(Default)]
struct Raw {
    has_somewhere: bool,
}

const FIELDS: Fields<Raw> = Fields(&[
    (&["path"], |to, tree, notes| to.has_somewhere |= said(tree, notes).is_some()),
    (&["stdout"], |to, tree, notes| to.has_somewhere |= yes(tree, notes)),
    (&["format"], |_, tree, notes| {
        let format = said(tree, notes);
        if format.is_some_and(|format| !matches!(&*format, "common" | "combined" | "json")) {
            notes.problem("expected common, combined or json");
        }
    }),
    (&["retention", "keep"], retention),
    (&["rotate_interval"], |_, tree, notes| {
        notes.take(lax::duration(tree));
    }),
    (&["filters"], |_, tree, notes| {
        notes.take(lax::map(tree));
    }),
    (&["fields"], |_, tree, notes| {
        notes.take(lax::map(tree));
    }),
]);

pub(super) fn read(_: &mut Written, tree: &Tree, notes: &mut Notes) {
    if tree.is_zero() {
        return;
    }
    let mut raw = Raw::default();
    notes.only_shown(|notes| {
        FIELDS.read_section(tree, &mut raw, notes);
        if !raw.has_somewhere {
            notes.problem("path or stdout is required");
        }
    });
    let message = "a route has no log of its own: the gateway's access log has its requests";
    notes.remark(RemarkKind::Ignored, message);
}

/// `30 days` and the like; as `days`, `last` and `keep_size` it is taken as it is.
fn retention(_: &mut Raw, tree: &Tree, notes: &mut Notes) {
    if matches!(tree, Tree::Map(_)) {
        return;
    }
    if let Some(text) = said(tree, notes) {
        notes.take(text.parse::<Retention>().map_err(|error| error.to_string()));
    }
}

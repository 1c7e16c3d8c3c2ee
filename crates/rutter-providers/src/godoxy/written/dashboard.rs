//! `homepage`: how a dashboard shows a route. Whatever is wrong here is a remark.

use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;
use crate::{Homepage, RemarkKind};

use super::{Written, said, yes};

const FIELDS: Fields<Homepage> = Fields(&[
    (&["show"], |to, tree, notes| to.is_shown = shown(tree, notes)),
    (&["name"], |to, tree, notes| to.name = said(tree, notes)),
    (&["icon"], icon),
    (&["category"], |to, tree, notes| to.category = said(tree, notes)),
    (&["description", "desc"], |to, tree, notes| to.description = said(tree, notes)),
    (&["url"], |to, tree, notes| to.url = said(tree, notes)),
    (&["favorite"], |to, tree, notes| to.is_favorite = yes(tree, notes)),
    (&["widget_config", "widget"], |_, tree, notes| {
        if !tree.is_zero() {
            notes.remark(RemarkKind::Ignored, "widgets aren't shown");
        }
    }),
]);

pub(super) fn read(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    notes.only_shown(|notes| FIELDS.read_section(tree, &mut to.homepage, notes));
}

/// What isn't a boolean leaves the route shown.
fn shown(tree: &Tree, notes: &mut Notes) -> bool {
    notes.take(lax::boolean(tree)).unwrap_or(true)
}

fn icon(to: &mut Homepage, tree: &Tree, notes: &mut Notes) {
    let Some(icon) = said(tree, notes) else { return };
    let from_catalogue = |rest: &str| {
        let (_, extension) = rest.rsplit_once('.').unwrap_or_default();
        matches!(extension, "svg" | "png" | "webp")
    };
    let is_one = match icon.strip_prefix('@').and_then(|rest| rest.split_once('/')) {
        Some(("target", path)) => !path.is_empty(),
        Some(("selfhst" | "walkxcode", name)) => from_catalogue(name),
        Some(_) => false,
        None => icon.starts_with('/') || icon.contains("://"),
    };
    if !is_one {
        let expected = "a URL, a path, `@target/PATH`, `@selfhst/NAME.EXT` or \
                        `@walkxcode/NAME.EXT` with svg, png or webp";
        return notes.problem(format!("expected {expected}, found `{icon}`"));
    }
    to.icon = Some(icon);
}

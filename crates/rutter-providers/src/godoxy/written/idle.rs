//! `idlewatcher`: which containers and guests the original puts to sleep. It is read for its
//! mistakes and for what depends on it, and nothing is put to sleep.

use crate::RemarkKind;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

use super::said;

/// What matters of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Idle {
    /// Whether the route would be put to sleep: its timeout is more than 0.
    pub(crate) is_on: bool,
    /// Whether it names what is put to sleep.
    pub(crate) has_target: bool,
}

/// The fields, which a container has as labels of its own, too.
pub(crate) const FIELDS: Fields<Idle> = Fields(&[
    (&["idle_timeout"], |to, tree, notes| {
        to.is_on = notes.take(lax::duration(tree)).flatten().is_some();
        if to.is_on {
            notes.remark(
                RemarkKind::Ignored,
                "nothing is put to sleep yet: what runs goes on running",
            );
        }
    }),
    (&["wake_timeout"], a_duration),
    (&["stop_timeout"], a_duration),
    (&["stop_method"], |_, tree, notes| {
        let method = said(tree, notes);
        if method.is_some_and(|method| !matches!(&*method, "stop" | "pause" | "kill")) {
            notes.problem("invalid stop method: expected stop, pause or kill");
        }
    }),
    (&["stop_signal"], |_, tree, notes| {
        let signal = said(tree, notes);
        let is_one = |signal: String| {
            let name = signal.strip_prefix("SIG").unwrap_or(&signal);
            matches!(name, "INT" | "TERM" | "KILL" | "QUIT" | "HUP")
        };
        if !signal.is_none_or(is_one) {
            notes.problem("invalid stop signal: expected INT, TERM, KILL, QUIT or HUP");
        }
    }),
    (&["start_endpoint"], |_, tree, notes| {
        if let Some(path) = notes.take(lax::text(tree))
            && !path.trim().starts_with('/')
        {
            notes.problem("start endpoint must not be empty if defined, and begins with `/`");
        }
    }),
    (&["depends_on"], |_, tree, notes| {
        notes.take(lax::list(tree));
    }),
    (&["no_loading_page"], |_, tree, notes| {
        notes.take(lax::boolean(tree));
    }),
    (&["proxmox", "docker"], |to, tree, notes| {
        to.has_target = notes.take(lax::map(tree)).is_some_and(|entries| !entries.is_empty());
    }),
]);

fn a_duration(_: &mut Idle, tree: &Tree, notes: &mut Notes) {
    notes.take(lax::duration(tree));
}

//! `access_log` of the entrypoint: the one log of all requests.

use std::path::PathBuf;

use super::path;
use super::top::ignored;
use crate::RemarkKind;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessLog {
    /// Its file; `None`: standard output.
    pub file: Option<PathBuf>,
    /// Whether a line is JSON, and not of the Combined Log Format.
    pub is_json: bool,
}

#[derive(Default)]
struct Raw {
    file: Option<PathBuf>,
    to_stdout: bool,
    is_json: bool,
}

/// Reads it; `None` if nothing is written of it.
pub(super) fn read(tree: &Tree, notes: &mut Notes) -> Option<AccessLog> {
    if tree.is_zero() {
        return None;
    }
    let mut raw = Raw::default();
    FIELDS.read_section(tree, &mut raw, notes);
    if raw.file.is_none() && !raw.to_stdout {
        notes.problem("path or stdout is required");
        return None;
    }
    if raw.file.is_some() && raw.to_stdout {
        notes.remark(RemarkKind::Differs, "there is one log: it goes to the file alone");
    }
    Some(AccessLog { file: raw.file, is_json: raw.is_json })
}

const ROTATES: &str = "the file is rotated by others, such as logrotate: SIGUSR1 opens it again";

const FIELDS: Fields<Raw> = Fields(&[
    (&["path"], |to, tree, notes| {
        to.file = path(notes.take(lax::text(tree)).filter(|text| !text.is_empty()))
    }),
    (&["stdout"], |to, tree, notes| {
        to.to_stdout = notes.take(lax::boolean(tree)).unwrap_or_default();
    }),
    (&["format"], |to, tree, notes| {
        match notes.take(lax::text(tree)).unwrap_or_default().as_str() {
            "" | "combined" => {}
            "common" => notes.remark(RemarkKind::Differs, "lines are of the combined format"),
            "json" => to.is_json = true,
            other => notes.problem(format!("expected common, combined or json, found `{other}`")),
        }
    }),
    (&["retention", "keep"], |_, tree, notes| ignored(tree, notes, ROTATES)),
    (&["rotate_interval"], |_, tree, notes| ignored(tree, notes, ROTATES)),
    (&["filters"], |_, tree, notes| {
        if !tree.is_zero() {
            notes.remark(RemarkKind::Differs, "every request has its line");
        }
    }),
    (&["fields"], |_, tree, notes| {
        if !tree.is_zero() {
            let message = "a line has neither cookies nor headers but User-Agent and Referer; the \
                           query stands in it as it came";
            notes.remark(RemarkKind::Differs, message);
        }
    }),
]);

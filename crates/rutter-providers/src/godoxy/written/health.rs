//! `healthcheck`, of a route and as the default of all.

use rutter_yaml::Problem;

use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;
use crate::{HealthSettings, RemarkKind, Retries};

use super::{said, yes};

pub(crate) const FIELDS: Fields<HealthSettings> = Fields(&[
    (&["disable", "disabled"], |to, tree, notes| to.is_disabled = yes(tree, notes)),
    (&["use_get"], |to, tree, notes| to.use_get = yes(tree, notes)),
    (&["path"], |to, tree, notes| {
        let Some(path) = said(tree, notes) else { return };
        if !path.starts_with('/') {
            return notes.problem(format!("expected a path that begins with `/`, found `{path}`"));
        }
        to.path = path;
    }),
    (&["interval"], |to, tree, notes| {
        if let Some(interval) = at_least(tree, notes) {
            to.interval = interval;
        }
    }),
    (&["timeout"], |to, tree, notes| {
        if let Some(timeout) = at_least(tree, notes) {
            to.timeout = timeout;
        }
    }),
    (&["retries"], |to, tree, notes| {
        let most = i64::from(u16::MAX);
        to.retries = match notes.take(lax::whole(tree, -most, most)) {
            None | Some(0) => Retries::Auto,
            Some(number) => Retries::After(u32::try_from(number).unwrap_or(1)),
        };
        if !tree.is_zero() {
            let message = "so many failures in a row turn the route unhealthy; in the original one \
                           does, and this delays the notification";
            notes.remark(RemarkKind::Differs, message);
        }
    }),
]);

fn at_least(tree: &Tree, notes: &mut Notes) -> Option<std::time::Duration> {
    let duration = notes.take(lax::duration(tree)).flatten()?;
    if duration < HealthSettings::LEAST {
        notes.problem("expected 1s or more");
        return None;
    }
    Some(duration)
}

/// Reads `defaults.healthcheck` of the original's configuration: what holds for routes that say
/// nothing of their own.
///
/// # Errors
/// All that is wrong with it.
pub fn read_defaults(yaml: &str) -> Result<HealthSettings, Vec<Problem>> {
    let tree = Tree::parse(yaml).map_err(|problem| vec![problem])?;
    let mut notes = Notes::default();
    let mut settings = HealthSettings::default();
    FIELDS.read_section(&tree, &mut settings, &mut notes);
    match notes.problems.is_empty() {
        true => Ok(settings),
        false => Err(notes.problems),
    }
}

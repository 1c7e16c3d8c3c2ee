//! The sections of the file.

use std::time::Duration;

use rutter_route::{ParseError, ServiceName};

use super::{Setup, acl, autocert, entrypoint, mtls, providers};
use crate::RemarkKind;
use crate::godoxy::environment::Environment;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;
use crate::godoxy::written;

pub(super) fn read(tree: &Tree, to: &mut Setup, environment: Environment<'_>, notes: &mut Notes) {
    FIELDS.read_section(tree, to, notes);
    providers::fill_docker_host(to, environment, notes);
    check_mtls(to, notes);
    check_acl(to, notes);
}

const FIELDS: Fields<Setup> = Fields(&[
    (&["acl"], acl::read),
    (&["autocert"], autocert::read),
    (&["entrypoint"], entrypoint::read),
    (&["inbound_mtls_profiles"], mtls::read),
    (&["providers"], |to, tree, notes| providers::FIELDS.read_section(tree, to, notes)),
    (&["defaults"], |to, tree, notes| DEFAULTS.read_section(tree, to, notes)),
    (&["match_domains"], |to, tree, notes| to.match_domains = domains(tree, notes)),
    (&["homepage"], |_, tree, notes| ignored(tree, notes, "there is no dashboard yet")),
    (&["webui"], |_, tree, notes| WEBUI.read_section(tree, &mut (), notes)),
    (&["timeout_shutdown"], |to, tree, notes| {
        if let Some(seconds) = notes.take(seconds(tree)).flatten() {
            to.shutdown = seconds;
        }
    }),
]);

const DEFAULTS: Fields<Setup> = Fields(&[(&["healthcheck"], |to, tree, notes| {
    written::HEALTH_FIELDS.read_section(tree, &mut to.health, notes);
})]);

/// The dashboard isn't there, so nothing of it is served; what would protect it refuses all the
/// same, so that nobody finds it open when it comes.
const WEBUI: Fields<()> = Fields(&[
    (&["display_name"], |_, tree, notes| ignored(tree, notes, "there is no dashboard yet")),
    (&["aliases"], |_, tree, notes| ignored(tree, notes, "there is no dashboard yet")),
    (&["access_log"], |_, tree, notes| ignored(tree, notes, "there is no dashboard yet")),
    (&["middlewares"], |_, tree, notes| protects(tree, notes, "there are no middlewares")),
    (&["rules"], |_, tree, notes| protects(tree, notes, "there are no rules")),
    (&["inbound_mtls_profile"], |_, tree, notes| {
        protects(tree, notes, "there is no dashboard to protect by it");
    }),
]);

/// Notes that nothing is done about a field.
pub(super) fn ignored(tree: &Tree, notes: &mut Notes, why: &str) {
    if !tree.is_zero() {
        notes.remark(RemarkKind::Ignored, why);
    }
}

/// Refuses a field that protects, and says how to start without it.
pub(super) fn protects(tree: &Tree, notes: &mut Notes, what: &str) {
    if !tree.is_zero() {
        let help = format!("leave it out on purpose by `--without {}`", notes.path());
        let message = format!("{what} yet: nothing is started less protected than it was written");
        notes.problem_with(message, Some(help));
    }
}

/// Refuses what isn't there, and says how to start without it.
pub(super) fn refuse(notes: &mut Notes, message: impl Into<String>) {
    let help = format!("leave it out on purpose by `--without {}`", notes.path());
    notes.problem_with(message, Some(help));
}

/// Names of hosts; a point before one is the original's way of writing it.
pub(super) fn domains(tree: &Tree, notes: &mut Notes) -> Vec<ServiceName> {
    texts(tree, notes, |text| {
        let name = text.trim().trim_start_matches('.').to_lowercase();
        name.parse().map_err(|error: ParseError| error.to_string())
    })
}

/// The entries of a list, each of which must be right.
pub(super) fn texts<T>(
    tree: &Tree,
    notes: &mut Notes,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let list = notes.take(lax::list(tree)).unwrap_or_default();
    let mut values = Vec::new();
    for (n, tree) in list.iter().enumerate() {
        let value = notes.within(&n.to_string(), |notes| {
            let read = lax::text(tree).and_then(|text| read(&text));
            notes.take(read)
        });
        values.extend(value);
    }
    values
}

/// Whole seconds, or a duration with its unit.
fn seconds(tree: &Tree) -> Result<Option<Duration>, String> {
    match lax::whole(tree, 0, 3600) {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(Duration::from_secs(number.unsigned_abs()))),
        Err(error) => match tree {
            Tree::Text(_) => lax::duration(tree),
            _ => Err(error),
        },
    }
}

/// A profile that is named must be there: without it nobody would be asked for a certificate.
fn check_mtls(to: &Setup, notes: &mut Notes) {
    let Some(name) = &to.inbound_mtls_profile else { return };
    if !to.inbound_mtls_profiles.contains_key(name) {
        notes.within("entrypoint", |notes| {
            notes.within("inbound_mtls_profile", |notes| {
                notes.problem(format!("there is no profile `{name}` in `inbound_mtls_profiles`"));
            });
        });
    }
}

/// Who denies everybody would serve nobody; that is most likely not what was meant.
fn check_acl(to: &Setup, notes: &mut Notes) {
    let Some(acl) = &to.acl else { return };
    if !acl.allows_by_default && !acl.allows_local && acl.allow.is_empty() {
        notes.within("acl", |notes| {
            notes.problem("nobody may connect: `default: deny` needs something in `allow`");
        });
    }
}

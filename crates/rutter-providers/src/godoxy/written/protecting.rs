//! Fields that protect a route and aren't there yet: each refuses it by name.

use rutter_yaml::unknown_word;

use crate::godoxy::fields::is_alike;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

use super::Written;

/// The middlewares that the original has, by name.
const MIDDLEWARES: [&str; 20] = [
    "redirect_http",
    "oidc",
    "forward_auth",
    "crowdsec",
    "request",
    "modify_request",
    "response",
    "modify_response",
    "set_x_forwarded",
    "hide_x_forwarded",
    "modify_html",
    "themed",
    "error_page",
    "custom_error_page",
    "real_ip",
    "cloudflare_real_ip",
    "cidr_whitelist",
    "rate_limit",
    "h_captcha",
    "hcaptcha",
];

const NEVER_LESS: &str = "a route isn't started less protected than it was written";

fn refuse(tree: &Tree, notes: &mut Notes, what: &str) {
    if !tree.is_zero() {
        notes.problem_with(format!("{what} yet: {NEVER_LESS}"), None);
    }
}

/// Each by its name, and one that nobody knows with the nearest.
pub(super) fn middlewares(_: &mut Written, tree: &Tree, notes: &mut Notes) {
    let Some(entries) = notes.take(lax::map(tree)) else { return };
    for (name, _) in entries.iter() {
        notes.within(name, |notes| {
            let is_known = name.contains('@') || MIDDLEWARES.iter().any(|m| is_alike(name, m));
            if is_known {
                let message = format!("there is no middleware `{name}` yet: {NEVER_LESS}");
                notes.problem(message);
            } else {
                let (message, help) = unknown_word("middleware", name, &MIDDLEWARES);
                notes.problem_with(message, help);
            }
        });
    }
}

pub(super) fn rules(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    to.has_rules = !tree.is_zero();
    refuse(tree, notes, "there are no rules");
}

pub(super) fn rule_file(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    to.has_rule_file = !tree.is_zero();
    refuse(tree, notes, "there are no rules");
}

pub(super) fn inbound_mtls_profile(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    to.inbound_mtls_profile = super::said(tree, notes);
}

/// The original had this field once and calls it unknown now.
pub(super) fn path_patterns(_: &mut Written, tree: &Tree, notes: &mut Notes) {
    if !tree.is_zero() {
        let help = "give each path a route of its own, with `alias` and `path_prefix`".to_owned();
        notes.problem_with("`path_patterns` is no field any more", Some(help));
    }
}

//! How connections to an upstream are made.

use rutter_route::{TlsServerName, TlsVersion};

use crate::RemarkKind;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

use super::{Written, said};

pub(super) fn response_header_timeout(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    if let Some(timeout) = notes.take(lax::duration(tree)).flatten() {
        to.upstream.response_header_timeout = Some(timeout);
    }
}

pub(super) fn max_connections(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    let most = notes.take(lax::whole(tree, 0, u32::MAX.into()));
    to.upstream.max_connections =
        most.and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
}

/// `on` is the target's host, `off` none; YAML has both for booleans.
pub(super) fn server_name(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    to.upstream.server_name = match tree {
        Tree::Bool(true) => TlsServerName::Host,
        Tree::Bool(false) => TlsServerName::Off,
        _ => match said(tree, notes) {
            None => TlsServerName::Host,
            Some(name) if name.eq_ignore_ascii_case("on") => TlsServerName::Host,
            Some(name) if name.eq_ignore_ascii_case("off") => TlsServerName::Off,
            Some(name) => match notes.take(name.parse().map_err(|e| format!("{e}"))) {
                Some(name) => TlsServerName::Named(name),
                None => return,
            },
        },
    };
}

/// The lowest and the highest of the versions that are named.
pub(super) fn tls_versions(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    let Some(list) = notes.take(lax::list(tree)) else { return };
    let mut versions = Vec::new();
    for (n, tree) in list.iter().enumerate() {
        notes.within(&n.to_string(), |notes| {
            let Some(text) = said(tree, notes) else { return };
            let version = match text.to_ascii_lowercase().as_str() {
                "tlsv1.0" => Ok(TlsVersion::V1_0),
                "tlsv1.1" => Ok(TlsVersion::V1_1),
                "tlsv1.2" => Ok(TlsVersion::V1_2),
                "tlsv1.3" => Ok(TlsVersion::V1_3),
                _ => Err(format!("expected tlsv1.0, tlsv1.1, tlsv1.2 or tlsv1.3, found `{text}`")),
            };
            versions.extend(notes.take(version));
        });
    }
    if versions.iter().any(|version| *version < TlsVersion::V1_2) {
        let message = "TLS 1.0 and 1.1 aren't spoken: only what else is named is";
        notes.remark(RemarkKind::Differs, message);
    }
    let (lowest, highest) = (versions.iter().min(), versions.iter().max());
    to.upstream.tls_versions = lowest.copied().zip(highest.copied());
}

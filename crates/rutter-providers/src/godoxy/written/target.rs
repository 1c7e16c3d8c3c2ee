//! Where a route leads.

use std::str::FromStr;

use rutter_route::ParseError;
use rutter_yaml::unknown_word;

use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::ports::Ports;
use crate::godoxy::tree::Tree;
use crate::{Paths, ProxmoxLink, RemarkKind};

use super::{Written, said, yes};

/// A scheme as it is written: it says what kind of target a route has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
    H2c,
    Tcp,
    Udp,
    FileServer,
}

const SCHEMES: [(&str, Scheme); 6] = [
    ("http", Scheme::Http),
    ("https", Scheme::Https),
    ("h2c", Scheme::H2c),
    ("tcp", Scheme::Tcp),
    ("udp", Scheme::Udp),
    ("fileserver", Scheme::FileServer),
];

impl FromStr for Scheme {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is = |(word, _): &&(&str, Self)| text.eq_ignore_ascii_case(word);
        let error = || ParseError::new("scheme", text, "http, https, h2c, tcp, udp or fileserver");
        SCHEMES.iter().find(is).map(|(_, scheme)| *scheme).ok_or_else(error)
    }
}

pub(super) fn scheme(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    let Some(text) = said(tree, notes) else { return };
    if let Ok(scheme) = text.parse() {
        to.scheme = Some(scheme);
        return;
    }
    let words: Vec<&str> = SCHEMES.iter().map(|(word, _)| *word).collect();
    let (_, help) = unknown_word("scheme", &text, &words);
    notes.problem_with(format!("invalid scheme `{text}`"), help);
}

/// The two ports, as a text or, as the API shows them, as `listening` and `proxy`.
pub(super) fn ports(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    const FIELDS: Fields<Ports> = Fields(&[
        (&["listening"], |to, tree, notes| to.listening = port(tree, notes)),
        (&["proxy"], |to, tree, notes| to.target = port(tree, notes)),
    ]);
    let text = match tree {
        Tree::Map(_) => return FIELDS.read_section(tree, &mut to.ports, notes),
        Tree::Whole(0) | Tree::Null => return,
        Tree::Whole(number) => number.to_string(),
        // `0080` comes as a number with a point.
        Tree::Real(_) => match notes.take(lax::whole(tree, 0, u16::MAX.into())) {
            Some(number) => number.to_string(),
            None => return,
        },
        _ => match notes.take(lax::text(tree)) {
            Some(text) if text.is_empty() => return,
            Some(text) => text,
            None => return,
        },
    };
    let ports = text.parse().map_err(|error: ParseError| error.to_string());
    to.ports = notes.take(ports).unwrap_or_default();
}

fn port(tree: &Tree, notes: &mut Notes) -> u16 {
    let port = notes.take(lax::whole(tree, 0, u16::MAX.into()));
    port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default()
}

pub(super) fn bind(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    let Some(text) = said(tree, notes) else { return };
    let address = text.parse().map_err(|_| format!("expected an IP address, found `{text}`"));
    to.bind = notes.take(address);
}

/// Rutter's own: `path_prefix: /api`, or with `path` and `strip`.
pub(super) fn paths(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    const FIELDS: Fields<(Option<String>, bool)> = Fields(&[
        (&["path"], |to, tree, notes| to.0 = said(tree, notes)),
        (&["strip"], |to, tree, notes| to.1 = yes(tree, notes)),
    ]);
    let (path, is_stripped) = match tree {
        Tree::Map(_) => {
            let mut read = (None, false);
            FIELDS.read_section(tree, &mut read, notes);
            if read.0.is_none() && !tree.is_zero() {
                notes.problem("`path` is missing");
            }
            read
        }
        _ => (said(tree, notes), false),
    };
    let prefix = path.map(|path| path.parse().map_err(|error: ParseError| error.to_string()));
    let prefix = prefix.and_then(|prefix| notes.take(prefix));
    to.paths = prefix.map(|prefix| Paths { prefix, is_stripped });
}

pub(super) fn proxmox(to: &mut Written, tree: &Tree, notes: &mut Notes) {
    const FIELDS: Fields<ProxmoxLink> = Fields(&[
        (&["node"], |to, tree, notes| to.node = said(tree, notes)),
        (&["vmid"], |to, tree, notes| {
            // 0 says something here: the node itself.
            if !matches!(tree, Tree::Null) {
                let vmid = notes.take(lax::whole(tree, 0, u32::MAX.into()));
                to.vmid = vmid.and_then(|vmid| u32::try_from(vmid).ok());
            }
        }),
        (&["vmname"], |to, tree, notes| to.vm_name = said(tree, notes)),
        (&["services", "service"], |_, tree, notes| no_journal(tree, notes)),
        (&["files", "file"], |_, tree, notes| no_journal(tree, notes)),
    ]);
    let mut link = ProxmoxLink::default();
    FIELDS.read_section(tree, &mut link, notes);
    to.proxmox = Some(link).filter(|_| !tree.is_zero());
}

fn no_journal(tree: &Tree, notes: &mut Notes) {
    if !tree.is_zero() {
        let message = "the journals and files of Proxmox guests aren't shown";
        notes.remark(RemarkKind::Ignored, message);
    }
}

//! `entrypoint`: what holds for all that comes in.

use rutter_route::Prefix;

use super::access_log::AccessLog;
use super::top::{protects, texts};
use super::{Setup, access_log, network};
use crate::RemarkKind;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// How clients' addresses come in PROXY headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyProtocol {
    /// Whether a connection without a header is refused.
    pub is_required: bool,
    /// Who is believed.
    pub trusted: Vec<Prefix>,
}

#[derive(Default)]
struct Raw {
    /// `None`: the section isn't written.
    proxy_protocol: Option<Proxies>,
    /// The older field's word.
    supports_proxy_protocol: bool,
    access_log: Option<AccessLog>,
    inbound_mtls_profile: Option<String>,
}

pub(super) fn read(to: &mut Setup, tree: &Tree, notes: &mut Notes) {
    let mut raw = Raw::default();
    FIELDS.read_section(tree, &mut raw, notes);
    to.access_log = raw.access_log;
    to.inbound_mtls_profile = raw.inbound_mtls_profile;
    to.proxy_protocol = match raw.proxy_protocol {
        Some(proxies) => {
            if raw.supports_proxy_protocol {
                notes.within("support_proxy_protocol", |notes| {
                    notes.remark(RemarkKind::Ignored, "`proxy_protocol` holds");
                });
            }
            notes.within("proxy_protocol", |notes| proxies.resolve(notes))
        }
        None if raw.supports_proxy_protocol => {
            // Whoever starts by it is told so: it is what the original does, too.
            let everybody = ["0.0.0.0/0", "::/0"].iter().filter_map(|all| all.parse().ok());
            Some(ProxyProtocol { is_required: false, trusted: everybody.collect() })
        }
        None => None,
    };
}

const FIELDS: Fields<Raw> = Fields(&[
    (&["proxy_protocol"], |to, tree, notes| {
        if tree.is_zero() {
            return;
        }
        let mut proxies = Proxies::default();
        PROXY_PROTOCOL.read_section(tree, &mut proxies, notes);
        to.proxy_protocol = Some(proxies);
    }),
    (&["support_proxy_protocol"], |to, tree, notes| {
        to.supports_proxy_protocol = notes.take(lax::boolean(tree)).unwrap_or_default();
    }),
    (&["middlewares"], |_, tree, notes| protects(tree, notes, "there are no middlewares")),
    (&["rules"], |_, tree, notes| RULES.read_section(tree, &mut (), notes)),
    (&["access_log"], |to, tree, notes| to.access_log = access_log::read(tree, notes)),
    (&["inbound_mtls_profile"], |to, tree, notes| {
        let name = notes.take(lax::text(tree)).unwrap_or_default();
        to.inbound_mtls_profile = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }),
]);

/// Rules of the entrypoint may refuse what nobody else does.
const RULES: Fields<()> = Fields(&[
    (&["not_found"], |(), tree, notes| protects(tree, notes, "there are no rules")),
    (&["catch_all"], |(), tree, notes| protects(tree, notes, "there are no rules")),
]);

/// `proxy_protocol`.
#[derive(Default)]
struct Proxies {
    mode: Mode,
    trusted: Vec<Prefix>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    #[default]
    Disabled,
    Mixed,
    Required,
}

const PROXY_PROTOCOL: Fields<Proxies> = Fields(&[
    (&["mode"], |to, tree, notes| {
        let word = notes.take(lax::text(tree)).unwrap_or_default();
        to.mode = match word.trim().to_lowercase().as_str() {
            "" | "disabled" => Mode::Disabled,
            "mixed" => Mode::Mixed,
            "required" => Mode::Required,
            other => {
                let message = format!("expected disabled, mixed or required, found `{other}`");
                return notes.problem(message);
            }
        };
    }),
    (&["trusted_proxies"], |to, tree, notes| {
        to.trusted = texts(tree, notes, |text| network(text.trim()));
    }),
]);

impl Proxies {
    fn resolve(self, notes: &mut Notes) -> Option<ProxyProtocol> {
        if self.mode == Mode::Disabled {
            return None;
        }
        if self.trusted.is_empty() {
            notes.problem("`trusted_proxies` needs at least one: nobody would be believed");
        }
        Some(ProxyProtocol { is_required: self.mode == Mode::Required, trusted: self.trusted })
    }
}

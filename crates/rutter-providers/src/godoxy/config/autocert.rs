//! `autocert`: where the certificates of HTTPS come from.

use std::path::PathBuf;

use rutter_route::{ParseError, ServiceName};

use super::top::{ignored, refuse, texts};
use super::{Setup, path};
use crate::RemarkKind;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// Where the certificates of HTTPS come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Autocert {
    /// Files, the first for whoever asks for a name of none.
    Files(Vec<CertificatePair>),
    /// A CA that speaks ACME.
    Acme {
        /// Its directory.
        directory: String,
        /// Where it may write to.
        email: Option<String>,
        /// The names.
        names: Vec<ServiceName>,
        /// PEM files of the roots of the CA's own certificate; empty: the system's.
        roots: Vec<PathBuf>,
        /// Further files.
        files: Vec<CertificatePair>,
    },
}

/// A chain and its key, in PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePair {
    /// The chain.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What was written, at the top or in one of `extra`.
#[derive(Debug, Clone, Default)]
struct Raw {
    provider: Option<String>,
    email: Option<String>,
    names: Vec<ServiceName>,
    chain: Option<PathBuf>,
    key: Option<PathBuf>,
    directory: Option<String>,
    roots: Vec<PathBuf>,
    extra: Vec<Self>,
}

pub(super) fn read(to: &mut Setup, tree: &Tree, notes: &mut Notes) {
    if tree.is_zero() {
        return;
    }
    let mut raw = Raw::default();
    FIELDS.read_section(tree, &mut raw, notes);
    to.autocert = resolve(raw, notes);
}

const FIELDS: Fields<Raw> = Fields(&[
    (&["provider"], |to, tree, notes| to.provider = said(tree, notes)),
    (&["email"], |to, tree, notes| to.email = said(tree, notes)),
    (&["domains"], |to, tree, notes| to.names = texts(tree, notes, name)),
    (&["cert_path"], |to, tree, notes| to.chain = path(said(tree, notes))),
    (&["key_path"], |to, tree, notes| to.key = path(said(tree, notes))),
    (&["ca_dir_url"], |to, tree, notes| to.directory = said(tree, notes)),
    (&["ca_certs"], |to, tree, notes| {
        to.roots = texts(tree, notes, |text| Ok(PathBuf::from(text.trim())));
    }),
    (&["acme_key_path"], |_, tree, notes| {
        ignored(tree, notes, "the account's key is made anew and kept in the data directory");
    }),
    (&["options"], |_, tree, notes| ignored(tree, notes, "no DNS provider is asked")),
    (&["resolvers"], |_, tree, notes| ignored(tree, notes, "names are proven without DNS")),
    (&["certificate_key_type"], |_, tree, notes| match said(tree, notes).as_deref() {
        None | Some("EC256") => {}
        Some("EC384" | "RSA2048" | "RSA3072" | "RSA4096" | "RSA8192") => {
            notes.remark(RemarkKind::Differs, "keys are EC256");
        }
        Some(other) => notes.problem(format!("`{other}` is no type of key")),
    }),
    (&["eab_kid"], |_, tree, notes| bound(tree, notes)),
    (&["eab_hmac"], |_, tree, notes| bound(tree, notes)),
    (&["extra"], |to, tree, notes| {
        let list = notes.take(lax::list(tree)).unwrap_or_default();
        for (n, tree) in list.iter().enumerate() {
            notes.within(&n.to_string(), |notes| {
                let mut raw = Raw::default();
                FIELDS_OF_EXTRA.read_section(tree, &mut raw, notes);
                to.extra.push(raw);
            });
        }
    }),
]);

/// As at the top; what isn't written is inherited from there.
const FIELDS_OF_EXTRA: Fields<Raw> = Fields(&[
    (&["provider"], |to, tree, notes| to.provider = said(tree, notes)),
    (&["email"], |_, tree, notes| ignored(tree, notes, "there is one account")),
    (&["domains"], |to, tree, notes| to.names = texts(tree, notes, name)),
    (&["cert_path"], |to, tree, notes| to.chain = path(said(tree, notes))),
    (&["key_path"], |to, tree, notes| to.key = path(said(tree, notes))),
    (&["ca_dir_url"], |to, tree, notes| to.directory = said(tree, notes)),
    (&["options"], |_, tree, notes| ignored(tree, notes, "no DNS provider is asked")),
    (&["resolvers"], |_, tree, notes| ignored(tree, notes, "names are proven without DNS")),
    (&["certificate_key_type"], |_, tree, notes| ignored(tree, notes, "keys are EC256")),
    (&["acme_key_path"], |_, tree, notes| ignored(tree, notes, "there is one account")),
]);

fn bound(tree: &Tree, notes: &mut Notes) {
    if !tree.is_zero() {
        refuse(notes, "accounts bound to others (EAB) aren't there yet: the CA would refuse");
    }
}

fn said(tree: &Tree, notes: &mut Notes) -> Option<String> {
    let text = notes.take(lax::text(tree))?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A name that can be proven without DNS.
fn name(text: &str) -> Result<ServiceName, String> {
    let text = text.trim().to_lowercase();
    if text.starts_with("*.") {
        return Err(format!(
            "`{text}` can only be proven by DNS, which isn't there yet: name each host"
        ));
    }
    text.parse().map_err(|error: ParseError| error.to_string())
}

fn resolve(raw: Raw, notes: &mut Notes) -> Option<Autocert> {
    let provider = raw.provider.clone().unwrap_or_else(|| "local".to_owned());
    let mut files = Vec::new();
    let is_acme = match provider.as_str() {
        "local" => false,
        "custom" => true,
        other => {
            notes.within("provider", |notes| by_dns(other, notes));
            return None;
        }
    };
    let mut names = raw.names.clone();
    for (n, extra) in raw.extra.iter().enumerate() {
        let within = |notes: &mut Notes, does: &mut dyn FnMut(&mut Notes)| {
            notes.within("extra", |notes| notes.within(&n.to_string(), |notes| does(notes)));
        };
        match extra.provider.as_deref().unwrap_or(&provider) {
            "local" => match (&extra.chain, &extra.key) {
                (Some(chain), Some(key)) => {
                    files.push(CertificatePair { chain: chain.clone(), key: key.clone() });
                }
                _ => {
                    within(notes, &mut |notes| notes.problem("cert_path and key_path are required"))
                }
            },
            "custom" if is_acme && extra.directory.is_none() => {
                within(notes, &mut |notes| {
                    notes.remark(RemarkKind::Differs, "one certificate has all names");
                });
                names.extend(extra.names.iter().cloned());
            }
            "custom" => within(notes, &mut |notes| {
                refuse(notes, "certificates by ACME come from one CA, that of `autocert` itself");
            }),
            other => within(notes, &mut |notes| by_dns(other, notes)),
        }
    }
    if !is_acme {
        let chain = raw.chain.unwrap_or_else(|| PathBuf::from("certs/cert.crt"));
        let key = raw.key.unwrap_or_else(|| PathBuf::from("certs/priv.key"));
        files.insert(0, CertificatePair { chain, key });
        return Some(Autocert::Files(files));
    }
    let Some(directory) = raw.directory else {
        notes.problem("`provider: custom` needs `ca_dir_url`");
        return None;
    };
    if names.is_empty() {
        notes.problem("`domains` is required: each host that is to have a certificate");
    }
    if raw.chain.is_some() || raw.key.is_some() {
        let message = "the certificate is kept in the data directory, and not at cert_path";
        notes.remark(RemarkKind::Differs, message);
    }
    Some(Autocert::Acme { directory, email: raw.email, names, roots: raw.roots, files })
}

fn by_dns(provider: &str, notes: &mut Notes) {
    let message = format!(
        "certificates by `{provider}`, which proves names by DNS, aren't there yet: use `local` with \
         files, or `custom` with `ca_dir_url`, which proves them by HTTP or TLS"
    );
    notes.problem(message);
}

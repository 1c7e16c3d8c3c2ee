//! `providers`: where the routes come from.

use super::Setup;
use super::top::{ignored, refuse, texts};
use crate::godoxy::environment::Environment;
use crate::godoxy::fields::Fields;
use crate::godoxy::lax;
use crate::godoxy::notes::Notes;
use crate::godoxy::tree::Tree;

/// The most files, engines and clusters that a set-up may name.
const MAX_PROVIDERS: usize = 10_000;

/// Where an engine is when `$DOCKER_HOST` isn't set.
const USUAL_ENGINE: &str = "unix:///var/run/docker.sock";

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DockerAt {
    /// Where: a URL of scheme `unix`, `tcp`, `http`, `https` or `tls`.
    pub url: String,
    /// The files by which TLS is spoken.
    pub tls: Option<DockerTls>,
    /// Whether only labelled containers are taken: its name ends in `!`.
    pub is_explicit_only: bool,
}

/// The PEM files by which TLS is spoken with an engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DockerTls {
    /// The CA of the engine's certificate.
    pub ca_file: Option<String>,
    /// Our certificate.
    pub cert_file: Option<String>,
    /// Its key.
    pub key_file: Option<String>,
}

/// A Proxmox cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxmoxAt {
    /// The URL of its API.
    pub url: String,
    /// Who asks.
    pub login: ProxmoxLogin,
    /// Whether its certificate isn't looked at.
    pub no_tls_verify: bool,
}

/// Who asks a Proxmox cluster, and the secret that shows it.
#[derive(Clone, PartialEq, Eq)]
pub enum ProxmoxLogin {
    /// A token.
    Token {
        /// Its id, `USER@REALM!NAME`.
        id: String,
        /// Its secret.
        secret: String,
    },
    /// A user.
    Password {
        /// The user's name.
        user: String,
        /// The user's realm, such as `pam`.
        realm: String,
        /// The password.
        password: String,
    },
}

/// Without a secret: whatever is printed of it.
impl std::fmt::Debug for ProxmoxAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = match &self.login {
            ProxmoxLogin::Token { id, .. } => id.clone(),
            ProxmoxLogin::Password { user, realm, .. } => format!("{user}@{realm}"),
        };
        f.debug_struct("ProxmoxAt")
            .field("url", &self.url)
            .field("who", &who)
            .field("no_tls_verify", &self.no_tls_verify)
            .finish()
    }
}

impl std::fmt::Debug for ProxmoxLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token { .. } => "Token",
            Self::Password { .. } => "Password",
        })
    }
}

pub(super) const FIELDS: Fields<Setup> = Fields(&[
    (&["include"], |to, tree, notes| {
        to.include = texts(tree, notes, |text| Ok(text.trim().to_owned()));
        bounded(to.include.len(), notes);
    }),
    (&["docker"], docker),
    (&["agents"], |_, tree, notes| {
        if !tree.is_zero() {
            refuse(notes, "GoDoxy's agents aren't there: `rutter agent` takes their place");
        }
    }),
    (&["proxmox"], proxmox),
    (&["notification"], |_, tree, notes| ignored(tree, notes, "there are no notifications yet")),
    (&["maxmind"], |_, tree, notes| ignored(tree, notes, "nobody is told apart by a country yet")),
]);

fn bounded(n_providers: usize, notes: &mut Notes) {
    if n_providers > MAX_PROVIDERS {
        notes.problem(format!("expected {MAX_PROVIDERS} at most, found {n_providers}"));
    }
}

fn docker(to: &mut Setup, tree: &Tree, notes: &mut Notes) {
    let Some(engines) = notes.take(lax::map(tree)) else { return };
    bounded(engines.len(), notes);
    for (written, tree) in engines.iter() {
        notes.within(written, |notes| {
            let name = written.trim_end_matches('!');
            let is_explicit_only = name.len() < written.len();
            let mut raw = RawDocker::default();
            match tree {
                Tree::Map(_) => DOCKER.read_section(tree, &mut raw, notes),
                _ => raw.url = notes.take(lax::text(tree)).unwrap_or_default().trim().to_owned(),
            }
            let (url, tls) = (raw.url(), raw.tls);
            check_url(&url, notes);
            let at = DockerAt { url, tls, is_explicit_only };
            if to.docker.insert(name.to_owned(), at).is_some() {
                notes.problem(format!("there are two engines called `{name}`"));
            }
        });
    }
}

#[derive(Default)]
struct RawDocker {
    url: String,
    scheme: String,
    host: String,
    port: i64,
    tls: Option<DockerTls>,
}

impl RawDocker {
    fn url(&self) -> String {
        match (self.scheme.as_str(), self.port) {
            ("", 0) if self.host.is_empty() => self.url.clone(),
            ("unix", _) => format!("unix://{}", self.host),
            (scheme, 0) => format!("{}://{}", some_scheme(scheme), self.host),
            (scheme, port) => format!("{}://{}:{port}", some_scheme(scheme), self.host),
        }
    }
}

fn some_scheme(scheme: &str) -> &str {
    if scheme.is_empty() { "tcp" } else { scheme }
}

const DOCKER: Fields<RawDocker> = Fields(&[
    (&["url"], |to, tree, notes| to.url = text(tree, notes)),
    (&["scheme"], |to, tree, notes| to.scheme = text(tree, notes).to_lowercase()),
    (&["host"], |to, tree, notes| to.host = text(tree, notes)),
    (&["port"], |to, tree, notes| {
        to.port = notes.take(lax::whole(tree, 0, 65_535)).unwrap_or_default();
    }),
    (&["tls"], |to, tree, notes| {
        if tree.is_zero() {
            return;
        }
        let mut tls = DockerTls::default();
        DOCKER_TLS.read_section(tree, &mut tls, notes);
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            notes.problem("cert_file and key_file need each other");
        }
        to.tls = Some(tls);
    }),
]);

const DOCKER_TLS: Fields<DockerTls> = Fields(&[
    (&["ca_file"], |to, tree, notes| to.ca_file = said(tree, notes)),
    (&["cert_file"], |to, tree, notes| to.cert_file = said(tree, notes)),
    (&["key_file"], |to, tree, notes| to.key_file = said(tree, notes)),
]);

fn check_url(url: &str, notes: &mut Notes) {
    if url == "$DOCKER_HOST" {
        return;
    }
    match url.split_once("://").map(|(scheme, rest)| (scheme.to_lowercase(), rest)) {
        Some((scheme, rest))
            if matches!(&*scheme, "unix" | "tcp" | "http" | "https" | "tls")
                && !rest.is_empty() => {}
        Some((scheme, _)) if scheme == "ssh" => {
            refuse(notes, "engines over ssh aren't there: let it listen by TLS, or run beside it");
        }
        _ => notes.problem(format!(
            "expected a URL of unix, tcp, http, https or tls, or `$DOCKER_HOST`, found `{url}`"
        )),
    }
}

/// Puts in what `$DOCKER_HOST` is.
pub(super) fn fill_docker_host(to: &mut Setup, environment: Environment<'_>, notes: &mut Notes) {
    for (name, docker) in to.docker.iter_mut().filter(|(_, docker)| docker.url == "$DOCKER_HOST") {
        let host = environment("DOCKER_HOST").filter(|host| !host.is_empty());
        docker.url = host.unwrap_or_else(|| USUAL_ENGINE.to_owned());
        for step in ["providers", "docker", name] {
            notes.enter(step);
        }
        check_url(&docker.url, notes);
        (0..3).for_each(|_| notes.leave());
    }
}

fn proxmox(to: &mut Setup, tree: &Tree, notes: &mut Notes) {
    let list = notes.take(lax::list(tree)).unwrap_or_default();
    bounded(list.len(), notes);
    for (n, tree) in list.iter().enumerate() {
        notes.within(&n.to_string(), |notes| {
            let mut raw = RawProxmox::default();
            PROXMOX.read_section(tree, &mut raw, notes);
            to.proxmox.extend(raw.resolve(notes));
        });
    }
}

#[derive(Default)]
struct RawProxmox {
    url: Option<String>,
    token_id: Option<String>,
    secret: Option<String>,
    username: Option<String>,
    password: Option<String>,
    realm: Option<String>,
    no_tls_verify: bool,
}

const PROXMOX: Fields<RawProxmox> = Fields(&[
    (&["url"], |to, tree, notes| to.url = said(tree, notes)),
    (&["token_id"], |to, tree, notes| to.token_id = said(tree, notes)),
    (&["secret"], |to, tree, notes| to.secret = said(tree, notes)),
    (&["username"], |to, tree, notes| to.username = said(tree, notes)),
    (&["password"], |to, tree, notes| to.password = said(tree, notes)),
    (&["realm"], |to, tree, notes| to.realm = said(tree, notes)),
    (&["no_tls_verify"], |to, tree, notes| {
        to.no_tls_verify = notes.take(lax::boolean(tree)).unwrap_or_default();
    }),
]);

impl RawProxmox {
    fn resolve(self, notes: &mut Notes) -> Option<ProxmoxAt> {
        let realm = self.realm.unwrap_or_else(|| "pam".to_owned());
        let login = match (self.token_id, self.secret, self.username, self.password) {
            (Some(id), Some(secret), ..) => ProxmoxLogin::Token { id, secret },
            (None, None, Some(user), Some(password)) => {
                ProxmoxLogin::Password { user, realm, password }
            }
            _ => {
                notes.problem("expected `token_id` and `secret`, or `username` and `password`");
                return None;
            }
        };
        let Some(url) = self.url.filter(|url| url.starts_with("https://")) else {
            notes.problem("expected `url: https://HOST:8006`");
            return None;
        };
        Some(ProxmoxAt { url, login, no_tls_verify: self.no_tls_verify })
    }
}

fn said(tree: &Tree, notes: &mut Notes) -> Option<String> {
    Some(text(tree, notes)).filter(|text| !text.is_empty())
}

fn text(tree: &Tree, notes: &mut Notes) -> String {
    notes.take(lax::text(tree)).unwrap_or_default().trim().to_owned()
}

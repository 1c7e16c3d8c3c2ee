//! Where routes come from beside agents and people.

use std::collections::BTreeSet;
use std::path::Path;

use rutter_providers::{HealthSettings, ProviderId, ProviderKind};

use super::Problems;
use crate::config::resolved::{
    DockerEngine, Monitors, Providers, ProxmoxCluster, ProxmoxLogin, Secret,
};
use crate::config::{Period, Problem, raw};

/// The longest file with a secret, in bytes.
const MAX_SECRET: usize = 4096;

pub(super) fn resolve(file: &raw::File, to: &mut Problems) -> Providers {
    let raw = file.providers.clone().unwrap_or_default();
    let mut docker = std::collections::BTreeMap::new();
    for (name, raw) in raw.docker.iter().flatten() {
        if let Some(engine) = engine(name, raw, to) {
            docker.insert(name.clone(), engine);
        }
    }
    let clusters = raw.proxmox.iter().flatten().enumerate();
    let providers = Providers {
        files: raw.files.clone().unwrap_or_default(),
        env_file: raw.env_file.clone(),
        docker,
        proxmox: clusters.filter_map(|(n, raw)| cluster(n, raw, to)).collect(),
        monitors: monitors(&raw.monitors.clone().unwrap_or_default(), to),
    };
    check_names(&providers, to);
    let has_some = !providers.files.is_empty() || !providers.docker.is_empty();
    if has_some && file.controller.is_none() {
        to.push(
            Problem::at("providers", "there is no controller whose routes they could be")
                .help("write `controller:` too"),
        );
    }
    providers
}

/// What a file's provider is called.
pub(crate) fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// Each provider has a name of its own, by which its routes are known.
fn check_names(providers: &Providers, to: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (n, path) in providers.files.iter().enumerate() {
        let at = vec!["providers".to_owned(), "files".to_owned(), n.to_string()];
        let id = file_name(path).and_then(|name| ProviderId::new(ProviderKind::File, name).ok());
        let Some(id) = id else {
            to.push(Problem::at_path(at, "its name can't be a provider's"));
            continue;
        };
        if !seen.insert(id.to_string()) {
            let message = format!("another provider is called `{id}` too");
            to.push(Problem::at_path(at, message).help("give the file another name"));
        }
    }
    for name in providers.docker.keys() {
        let at = vec!["providers".to_owned(), "docker".to_owned(), name.clone()];
        match ProviderId::new(ProviderKind::Docker, name) {
            Ok(id) if seen.insert(id.to_string()) => {}
            Ok(id) => to.push(Problem::at_path(at, format!("another provider is called `{id}`"))),
            Err(error) => to.push(Problem::at_path(at, error.to_string())),
        }
    }
}

fn engine(name: &str, raw: &raw::DockerEngine, to: &mut Problems) -> Option<DockerEngine> {
    let at = || vec!["providers".to_owned(), "docker".to_owned(), name.to_owned()];
    let Some(url) = raw.url.clone() else {
        to.push(Problem::at_path(at(), "the key `url` is missing: where the engine is"));
        return None;
    };
    let scheme = url.split_once("://").filter(|(_, rest)| !rest.is_empty()).map(|(s, _)| s);
    if !matches!(scheme, Some("unix" | "tcp" | "http" | "https" | "tls")) {
        let message = format!("`{url}` is not a URL of unix, tcp, http, https or tls");
        to.push(Problem::at_path(at(), message));
    }
    if raw.cert_file.is_some() != raw.key_file.is_some() {
        to.push(Problem::at_path(at(), "`cert_file` and `key_file` need each other"));
    }
    Some(DockerEngine {
        url,
        explicit_only: raw.explicit_only.unwrap_or(false),
        ca_file: raw.ca_file.clone(),
        cert_file: raw.cert_file.clone(),
        key_file: raw.key_file.clone(),
    })
}

fn cluster(n: usize, raw: &raw::ProxmoxCluster, to: &mut Problems) -> Option<ProxmoxCluster> {
    let at = |key: &str| {
        let steps = ["providers", "proxmox", &n.to_string(), key].map(str::to_owned);
        steps.into_iter().filter(|step| !step.is_empty()).collect::<Vec<_>>()
    };
    let Some(url) = raw.url.clone().filter(|url| url.starts_with("https://")) else {
        to.push(Problem::at_path(at("url"), "expected `url: https://HOST:8006`"));
        return None;
    };
    let mut secret =
        |key: &str, here: &Option<String>, file: &Option<std::path::PathBuf>| match (here, file) {
            (Some(secret), None) => Some(Secret::new(secret.clone())),
            (None, Some(file)) => match read_secret(file) {
                Ok(secret) => Some(secret),
                Err(why) => {
                    to.push(Problem::at_path(at(&format!("{key}_file")), why));
                    None
                }
            },
            _ => {
                let message = format!("expected `{key}` or `{key}_file`, one of the two");
                to.push(Problem::at_path(at(""), message));
                None
            }
        };
    let login = match (&raw.token_id, &raw.user) {
        (Some(id), None) => ProxmoxLogin::Token {
            id: id.clone(),
            secret: secret("secret", &raw.secret, &raw.secret_file)?,
        },
        (None, Some(user)) => ProxmoxLogin::Password {
            user: user.clone(),
            realm: raw.realm.clone().unwrap_or_else(|| "pam".to_owned()),
            password: secret("password", &raw.password, &raw.password_file)?,
        },
        _ => {
            to.push(Problem::at_path(at(""), "expected `token_id` or `user`, one of the two"));
            return None;
        }
    };
    Some(ProxmoxCluster { url, login, no_tls_verify: raw.no_tls_verify.unwrap_or(false) })
}

/// A file's only line.
fn read_secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let line = text.trim();
    match line.is_empty() || line.lines().count() > 1 || line.len() > MAX_SECRET {
        true => Err(format!("{} should hold one line, the secret", path.display())),
        false => Ok(Secret::new(line.to_owned())),
    }
}

fn monitors(raw: &raw::Monitors, to: &mut Problems) -> Monitors {
    let monitors = Monitors {
        interval: raw.interval.unwrap_or(Period::seconds(5)),
        timeout: raw.timeout.unwrap_or(Period::seconds(5)),
        path: raw.path.clone().unwrap_or_else(|| "/".to_owned()),
        use_get: raw.use_get.unwrap_or(false),
        retries: raw.retries.unwrap_or(0),
        disable: raw.disable.unwrap_or(false),
        turns_at_once: raw.turns_at_once.unwrap_or(false),
        at_once: raw.at_once.unwrap_or(256),
    };
    let at = |key: &str| format!("providers.monitors.{key}");
    let least = HealthSettings::LEAST;
    to.unless(monitors.interval.0 >= least, &at("interval"), "expected 1s or more");
    to.unless(monitors.timeout.0 >= least, &at("timeout"), "expected 1s or more");
    to.unless(monitors.path.starts_with('/'), &at("path"), "expected a path beginning with `/`");
    to.unless((1..=65_536).contains(&monitors.at_once), &at("at_once"), "expected 1 to 65536");
    monitors
}

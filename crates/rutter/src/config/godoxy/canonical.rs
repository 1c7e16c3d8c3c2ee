//! A set-up of GoDoxy's in the words of our own file.

use std::net::SocketAddr;
use std::path::Path;

use rutter_providers::godoxy::config::{
    Autocert, CertificatePair, DockerAt, ProxmoxAt, ProxmoxLogin, Setup,
};
use rutter_providers::{HealthSettings, Retries};
use serde_json::{Map, Value, json};

use super::{Folder, GodoxyOptions, Listener};
use crate::config::{Period, yaml};

/// The whole file.
pub(crate) fn canonical(setup: &Setup, folder: &Folder, options: &GodoxyOptions) -> String {
    let mut file = Map::new();
    let level = if setup.is_debug { "debug" } else { "info" };
    let (level, format) = match &options.log {
        Some(log) => (log.level.as_deref().unwrap_or(level), log.format.unwrap_or_default()),
        None => (level, Default::default()),
    };
    file.insert("log".into(), json!({ "level": level, "format": format }));
    file.insert("listeners".into(), listeners(setup, folder, options));
    file.insert("controller".into(), json!({}));
    file.insert("gateway".into(), gateway(setup, folder, options));
    file.insert("providers".into(), providers(setup, folder));
    let mut text = String::from(HEAD);
    text.push_str(&yaml(&Value::Object(file)));
    text
}

const HEAD: &str =
    "# Made by `rutter import godoxy`: what GoDoxy's config.yml and environment ask for.\n";

/// Where a listener is, after what the command line says.
fn at(which: Listener, usual: Option<SocketAddr>, options: &GodoxyOptions) -> Option<SocketAddr> {
    let said = options.listen.iter().rev().find(|at| at.listener == which);
    said.map_or(usual, |at| at.address)
}

fn listeners(setup: &Setup, folder: &Folder, options: &GodoxyOptions) -> Value {
    let said = |address: Option<SocketAddr>| match address {
        Some(address) => json!(address.to_string()),
        None => json!("off"),
    };
    let https = at(Listener::Https, setup.https, options);
    let https = match (https, certificates(setup).first()) {
        (Some(address), Some(first)) => {
            json!({ "address": address.to_string(), "tls": pair(first, folder.root()) })
        }
        (address, _) => said(address),
    };
    // Nobody joins such a set-up, and the command on this machine finds any port.
    let api = SocketAddr::from(([127, 0, 0, 1], 0));
    json!({
        "api": said(at(Listener::Api, Some(api), options)),
        "link": "off",
        "gateway": { "http": said(at(Listener::Http, setup.http, options)), "https": https },
    })
}

/// A path of the original's, below the folder that it runs in.
fn below(folder: &Path, path: &Path) -> String {
    shown(&folder.join(path))
}

/// A path as text; one that isn't Unicode leads nowhere, and is told so when it is opened.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The files of certificates, the first for whoever asks for a name of none.
fn certificates(setup: &Setup) -> &[CertificatePair] {
    match &setup.autocert {
        Some(Autocert::Files(files) | Autocert::Acme { files, .. }) => files,
        None => &[],
    }
}

fn pair(pair: &CertificatePair, root: &Path) -> Value {
    json!({ "chain": below(root, &pair.chain), "key": below(root, &pair.key) })
}

fn gateway(setup: &Setup, folder: &Folder, options: &GodoxyOptions) -> Value {
    let mut gateway = Map::new();
    let mut put = |key: &str, value: Value| gateway.insert(key.to_owned(), value);
    let root = folder.root();
    match setup.match_domains.as_slice() {
        [] => put("hosts", json!("any_domain")),
        domains => put("hosts", json!(domains)),
    };
    put("short_links", json!(setup.short_links));
    if let Some(acl) = &setup.acl {
        let default = if acl.allows_by_default { "allow" } else { "deny" };
        let acl = json!({
            "default": default, "allow_local": acl.allows_local, "allow": acl.allow, "deny": acl.deny,
        });
        put("acl", acl);
    }
    if let Some(proxies) = &setup.proxy_protocol {
        let mode = if proxies.is_required { "required" } else { "mixed" };
        put("proxy_protocol", json!({ "mode": mode, "trusted": proxies.trusted }));
    }
    if !setup.inbound_mtls_profiles.is_empty() {
        let profiles = setup.inbound_mtls_profiles.iter().map(|(name, profile)| {
            let files: Vec<_> = profile.ca_files.iter().map(|file| below(root, file)).collect();
            (name.clone(), json!({ "ca_files": files, "system_roots": profile.uses_system_roots }))
        });
        put("inbound_mtls_profiles", Value::Object(profiles.collect()));
    }
    if let Some(name) = &setup.inbound_mtls_profile {
        put("inbound_mtls_profile", json!(name));
    }
    put("streams", json!({ "sni": setup.has_sni_streams }));
    put("limits", json!({ "drain": Period(setup.shutdown).to_string() }));
    if let Some(log) = &setup.access_log {
        let file = log.file.as_ref().map_or_else(|| "-".to_owned(), |file| below(root, file));
        let format = if log.is_json { "json" } else { "common" };
        put("access_log", json!({ "file": file, "format": format }));
    }
    let more: Vec<_> = certificates(setup).iter().skip(1).map(|files| pair(files, root)).collect();
    if !more.is_empty() {
        put("certificates", json!(more));
    }
    if let Some(Autocert::Acme { directory, email, names, roots, .. }) = &setup.autocert {
        let mut acme = json!({
            "directory": directory,
            "names": names,
            "challenge": challenge(setup, options),
            // Whoever wrote it for the original agreed there: it asks nobody.
            "agree_to_terms": true,
        });
        if let Some(acme) = acme.as_object_mut() {
            if let Some(email) = email {
                acme.insert("contact".into(), json!([format!("mailto:{email}")]));
            }
            if !roots.is_empty() {
                let roots: Vec<_> = roots.iter().map(|file| below(root, file)).collect();
                acme.insert("roots".into(), json!(roots));
            }
        }
        put("acme", acme);
    }
    Value::Object(gateway)
}

/// CAs ask at ports 80 and 443, so the listener that is there proves a name.
fn challenge(setup: &Setup, options: &GodoxyOptions) -> &'static str {
    let port = |which, usual| at(which, usual, options).map(|address| address.port());
    let http = port(Listener::Http, setup.http);
    match (http, port(Listener::Https, setup.https)) {
        (Some(80), _) => "http-01",
        (_, Some(443)) | (None, _) => "tls-alpn-01",
        _ => "http-01",
    }
}

fn providers(setup: &Setup, folder: &Folder) -> Value {
    let mut providers = Map::new();
    let files: Vec<_> = setup.include.iter().map(|name| shown(&folder.route_file(name))).collect();
    providers.insert("files".into(), json!(files));
    if let Some((path, _)) = folder.env() {
        providers.insert("env_file".into(), json!(shown(path)));
    }
    if !setup.docker.is_empty() {
        let engines = setup.docker.iter().map(|(name, at)| (name.clone(), engine(at, folder)));
        providers.insert("docker".into(), Value::Object(engines.collect()));
    }
    if !setup.proxmox.is_empty() {
        providers.insert("proxmox".into(), setup.proxmox.iter().map(cluster).collect());
    }
    providers.insert("monitors".into(), monitors(&setup.health));
    Value::Object(providers)
}

fn engine(at: &DockerAt, folder: &Folder) -> Value {
    let mut engine = Map::new();
    engine.insert("url".into(), json!(at.url));
    engine.insert("explicit_only".into(), json!(at.is_explicit_only));
    let tls = at.tls.clone().unwrap_or_default();
    for (key, file) in
        [("ca_file", tls.ca_file), ("cert_file", tls.cert_file), ("key_file", tls.key_file)]
    {
        if let Some(file) = file {
            engine.insert(key.into(), json!(below(folder.root(), Path::new(&file))));
        }
    }
    Value::Object(engine)
}

fn cluster(at: &ProxmoxAt) -> Value {
    match &at.login {
        ProxmoxLogin::Token { id, secret } => json!({
            "url": at.url, "token_id": id, "secret": secret, "no_tls_verify": at.no_tls_verify,
        }),
        ProxmoxLogin::Password { user, realm, password } => json!({
            "url": at.url, "user": user, "realm": realm, "password": password,
            "no_tls_verify": at.no_tls_verify,
        }),
    }
}

fn monitors(health: &HealthSettings) -> Value {
    json!({
        "interval": Period(health.interval).to_string(),
        "timeout": Period(health.timeout).to_string(),
        "path": health.path,
        "use_get": health.use_get,
        "retries": match health.retries { Retries::Auto => 0, Retries::After(n) => n },
        "disable": health.is_disabled,
    })
}

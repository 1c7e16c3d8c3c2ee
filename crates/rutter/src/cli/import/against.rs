//! Beside a running GoDoxy: what it made of the same files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail};
use rutter_providers::{HttpScheme, ProviderId, ProviderKind, Reading, Route, Target};
use serde::{Deserialize, Serialize};

use crate::client;

/// The longest list that is taken, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// A route as GoDoxy lists it (its `/api/v1/route/list`), as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Theirs {
    alias: String,
    #[serde(default)]
    scheme: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    port: Ports,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    excluded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
struct Ports {
    #[serde(default)]
    listening: u16,
    #[serde(default)]
    proxy: u16,
}

/// What the comparison came to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Against {
    /// Routes that are the same.
    pub(super) n_same: usize,
    /// Routes of other providers, such as containers, which a set-up's files don't tell of.
    pub(super) n_not_compared: usize,
    pub(super) differences: Vec<Difference>,
}

/// A route that isn't the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Difference {
    file: String,
    route: String,
    /// What it is there and here.
    what: String,
}

impl Against {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Difference { file, route, what } in &self.differences {
            text.push_str(&format!("different {file} {route}: {what}\n"));
        }
        text.push_str(&format!(
            "{} routes are the same there, {} differ, {} of other providers weren't compared\n",
            self.n_same,
            self.differences.len(),
            self.n_not_compared
        ));
        text
    }
}

/// Asks for its routes.
///
/// # Errors
/// It can't be reached, refuses, or answers something else.
pub(super) async fn ask(url: &str) -> anyhow::Result<Vec<Theirs>> {
    let base = reqwest::Url::parse(url).context("that is no URL")?;
    let url = base.join("/api/v1/route/list")?;
    let client = client::for_url(&url)?;
    let mut response = client.get(url).timeout(PATIENCE).send().await?;
    if matches!(response.status().as_u16(), 401 | 403) {
        bail!("it asks for a login: set LOCAL_API_ADDR there, and ask at that address");
    }
    if !response.status().is_success() {
        bail!("it answers {}", response.status());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            bail!("its answer has more than {MAX_ANSWER} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).context("its answer isn't GoDoxy's list of routes")
}

/// Compares what the files say here with what it made of them.
pub(super) fn compare(files: &[(String, Reading)], theirs: &[Theirs]) -> Against {
    let mut against = Against::default();
    let mut of_files: BTreeMap<&str, BTreeMap<&str, &Theirs>> = BTreeMap::new();
    for route in theirs {
        of_files.entry(&route.provider).or_default().insert(&route.alias, route);
    }
    let mut compared = BTreeSet::new();
    for (file, reading) in files {
        let name = crate::config::file_name(file.as_ref()).unwrap_or(file);
        let Ok(id) = ProviderId::new(ProviderKind::File, name) else { continue };
        // It lists providers by their short names, and those of `a.yml` and `a.yaml` together.
        let known = [id.short_name(), file.as_str()];
        let listed = known.iter().find_map(|name| of_files.get(name).map(|list| (*name, list)));
        let (provider, empty) = (listed.map_or(id.short_name(), |(name, _)| name), BTreeMap::new());
        let listed = listed.map_or(&empty, |(_, list)| list);
        compared.insert(provider.to_owned());
        against.of_file(file, reading, listed);
    }
    let others = theirs.iter().filter(|route| !compared.contains(&route.provider));
    against.n_not_compared = others.count();
    against.differences.sort();
    against
}

impl Against {
    fn of_file(&mut self, file: &str, reading: &Reading, listed: &BTreeMap<&str, &Theirs>) {
        let mut ours = BTreeSet::new();
        for route in &reading.routes {
            ours.insert(route.name.as_str());
            match listed.get(route.name.as_str()) {
                None => {
                    self.differs(file, &route.name, "it isn't there, and is served here".into())
                }
                Some(theirs) => match difference(route, theirs) {
                    None => self.n_same += 1,
                    Some(what) => self.differs(file, &route.name, what),
                },
            }
        }
        for refused in &reading.refused {
            ours.insert(refused.name.as_str());
            let is_served = listed.get(refused.name.as_str()).is_some_and(|route| !route.excluded);
            match is_served {
                true => {
                    self.differs(file, &refused.name, "it is served there, and refused here".into())
                }
                false => self.n_same += 1,
            }
        }
        for (alias, route) in listed {
            let is_excluded = reading.excluded.iter().any(|excluded| excluded.name == *alias);
            let is_known = ours.contains(alias) || (route.excluded && is_excluded);
            if !is_known {
                self.differs(file, alias, "it is there, and isn't here".into());
            }
        }
    }

    fn differs(&mut self, file: &str, route: &str, what: String) {
        self.differences.push(Difference { file: file.to_owned(), route: route.to_owned(), what });
    }
}

/// What differs of a route, if anything does.
fn difference(ours: &Route, theirs: &Theirs) -> Option<String> {
    let (scheme, host, port) = match &ours.target {
        Target::Http { scheme, host, port, .. } => {
            let scheme = match scheme {
                HttpScheme::Http => "http",
                HttpScheme::Https => "https",
                HttpScheme::H2c => "h2c",
            };
            (scheme, host.to_string(), *port)
        }
        Target::Files { .. } => ("fileserver", String::new(), 0),
        Target::Tcp { host, port, .. } => ("tcp", host.to_string(), *port),
        Target::Udp { host, port } => ("udp", host.to_string(), *port),
    };
    let listening = ours.listen.port.unwrap_or(0);
    let mut told = Vec::new();
    let mut compare = |what: &str, there: String, here: String| {
        if there != here {
            told.push(format!("{what} {there} there, {here} here"));
        }
    };
    if theirs.excluded {
        compare("it is", "excluded".into(), "served".into());
    }
    compare("scheme", theirs.scheme.clone(), scheme.to_owned());
    if scheme != "fileserver" {
        compare("host", theirs.host.to_lowercase(), host);
        compare("port", theirs.port.proxy.to_string(), port.to_string());
    }
    compare("listening port", theirs.port.listening.to_string(), listening.to_string());
    (!told.is_empty()).then(|| told.join(", "))
}

#[cfg(test)]
mod tests;

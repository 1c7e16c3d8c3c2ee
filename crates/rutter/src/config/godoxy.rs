//! A set-up of GoDoxy's as the whole configuration: its `config.yml` and environment are turned
//! into a file of ours, which then is read as any other.
//!
//! So there is one way from what was written to what happens, and what `rutter import godoxy
//! --write` prints is what `rutter godoxy run` runs.

mod canonical;
mod folder;

use std::net::SocketAddr;

use rutter_providers::godoxy::config::SetupReading;
use rutter_yaml::Problem;

use super::{Config, ConfigError, Origin};

pub(crate) use canonical::canonical;
pub(crate) use folder::Folder;

/// What the command line says beside the set-up.
#[derive(Debug, Clone, Default)]
pub(crate) struct GodoxyOptions {
    /// Keys that are left out on purpose.
    pub(crate) without: Vec<String>,
    /// Listeners that are elsewhere than the set-up says.
    pub(crate) listen: Vec<ListenAt>,
    /// What is logged, instead of what the set-up says.
    pub(crate) log: Option<super::raw::Log>,
}

/// A listener that is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAt {
    /// Which.
    pub(crate) listener: Listener,
    /// Where; `None`: nowhere.
    pub(crate) address: Option<SocketAddr>,
}

/// The listeners of a set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// People's traffic in plain.
    Http,
    /// People's traffic by TLS.
    Https,
    /// Rutter's own API.
    Api,
}

impl std::str::FromStr for ListenAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "expected `http=`, `https=` or `api=`, and `ADDRESS:PORT` or `off`, found `{text}`"
            )
        };
        let (name, at) = text.split_once('=').ok_or_else(wrong)?;
        let listener = match name {
            "http" => Listener::Http,
            "https" => Listener::Https,
            "api" => Listener::Api,
            _ => return Err(wrong()),
        };
        let address = match at {
            "off" => None,
            at => Some(at.parse().map_err(|_| wrong())?),
        };
        Ok(Self { listener, address })
    }
}

/// Reads the set-up in a directory.
///
/// # Errors
/// All that is wrong with it, each at its place, and what protects and isn't there yet.
pub(super) fn load(origin: &Origin, options: &GodoxyOptions) -> Result<Config, ConfigError> {
    let folder = Folder::find(&origin.file)?;
    let reading = folder.read(&options.without)?;
    let mut problems = reading.problems.clone();
    problems.extend(reading.variables.iter().filter_map(|variable| variable.problem.clone()));
    if !problems.is_empty() {
        return Err(folder.error(problems));
    }
    let text = canonical(&reading.setup, &folder, options);
    // What is wrong now stands in no file that people know, so each is told by its name.
    let parsed = super::parse(&folder.name(), &text, origin.data.clone());
    let mut config = parsed.map_err(|error| {
        let told = |problem: Problem| Problem { spot: None, ..problem };
        folder.error(error.problems.into_iter().map(told).collect())
    })?;
    config.remarks = remarks(&folder, &reading);
    Ok(config)
}

/// What people may not expect of what starts.
fn remarks(folder: &Folder, reading: &SetupReading) -> Vec<String> {
    let of_file = reading.remarks.iter().filter(|remark| remark.kind.is_warning()).map(|remark| {
        let Problem { path, message, spot, .. } = &remark.problem;
        let line = spot.map(|spot| format!(":{}", spot.line)).unwrap_or_default();
        format!("{}{line}: {}: {message}", folder.name(), path.join("."))
    });
    let of_variables = reading.variables.iter().filter_map(|variable| {
        let (kind, why) = variable.remark?;
        kind.is_warning().then(|| format!("{}: {why}", variable.name))
    });
    let trusted = reading.setup.proxy_protocol.iter().flat_map(|proxies| &proxies.trusted);
    let trusts_all = trusted.filter(|network| network.length() == 0).count() > 0;
    let trusts_all = trusts_all.then(|| {
        format!(
            "{}: everybody's PROXY header is believed: whoever connects can say that they are \
             somebody else",
            folder.name()
        )
    });
    of_file.chain(of_variables).chain(trusts_all).collect()
}

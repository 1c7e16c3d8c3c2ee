//! n-netman's file as the whole configuration: the overlay is the only role.
//!
//! What the file says of logs holds for the process. The API listens on any free port of loopback,
//! for the commands on this machine, which find it by the data directory.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rutter_overlay::compat::nnetman;
use rutter_route::SinkMode;
use rutter_yaml::Dialect;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::raw::{self, AtEnd, Listen};
use super::resolved::LogFormat;
use super::{Config, ConfigError, Origin, resolve};

/// What the command line says beside the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetmanOptions {
    /// Whether it acts.
    pub(crate) mode: Option<SinkMode>,
    /// What becomes of the kernel's routes.
    pub(crate) at_end: Option<AtEnd>,
    /// The protocol number.
    pub(crate) protocol: Option<u8>,
    /// The kernel's settings that routes need are set.
    pub(crate) sysctl: Option<bool>,
    /// Where the API answers.
    pub(crate) api: Option<SocketAddr>,
    /// What is logged, instead of what the file says.
    pub(crate) log_level: Option<String>,
}

/// Whether a text is of n-netman's form: it has a `version`, which no file of ours has.
pub(crate) fn is_netman(text: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Peek {
        version: Option<IgnoredAny>,
    }
    // What can't be read is told by whoever reads it whole.
    rutter_yaml::parse::<Peek>(text, Dialect::Go).is_ok_and(|peek| peek.version.is_some())
}

/// Reads the file.
pub(super) fn load(origin: &Origin, options: &NetmanOptions) -> Result<Config, ConfigError> {
    let path: &Path = &origin.file;
    let text = rutter_yaml::read(path)?;
    let name = path.display().to_string();
    let reading = nnetman::config::read(&name, &text)?;
    let observe = &reading.config.observe;
    let level = options.log_level.clone().unwrap_or_else(|| observe.level.clone());
    let format = if observe.json { LogFormat::Json } else { LogFormat::Text };
    let api = options.api.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let file = raw::File {
        data: origin.data.clone().map(raw::Data::In),
        log: Some(raw::Log { format: Some(format), level: Some(level) }),
        listeners: Some(raw::Listeners { api: Some(Listen::at(api)), ..raw::Listeners::default() }),
        overlay: Some(raw::Overlay {
            netman: Some(path.to_owned()),
            mode: options.mode,
            at_end: options.at_end,
            protocol: options.protocol.map(u32::from),
            sysctl: options.sysctl,
            ..raw::Overlay::default()
        }),
        ..raw::File::default()
    };
    // What is wrong now is of the command line, and stands nowhere in the text.
    resolve(&file).map_err(|problems| ConfigError::new(&name, &text, problems))
}

//! The configuration: one YAML file whose sections switch the roles on.
//!
//! ```text
//!  text ──yaml──▶ raw::File ──resolve──▶ Config ──diff──▶ what a reload would do
//!           │        what was written      │  what will happen
//!           └── Positions ◀── problems ────┘  (each points into the file)
//! ```
//!
//! Two types, since they answer two questions. `raw` has an `Option` for every key, refuses those
//! it doesn't know and says nothing of defaults; `Config` has every default filled in, every
//! duration checked against the others, and no way to be invalid. Positions are kept beside the
//! raw value, in a tree of their own (`rutter-yaml`), rather than in a wrapper round every field: a check names
//! the path of what it dislikes, and the edge looks the path up.
//!
//! Later work adds its section to [`raw`], its checks to [`resolve`](mod@resolve), and nothing anywhere else:
//! `docs/config.md` is made from the same lines.

pub(crate) mod diff;
pub(crate) mod doc;
mod emit;
mod godoxy;
mod netman;
mod period;
pub(crate) mod raw;
mod resolve;
pub(crate) mod resolved;
mod section;

use std::path::PathBuf;

use rutter_yaml::{Dialect, Positions};

pub(crate) use emit::yaml;
pub(crate) use godoxy::{Folder, GodoxyOptions, ListenAt, canonical};
pub(crate) use netman::{NetmanOptions, is_netman};
pub(crate) use period::Period;
pub(crate) use resolve::{default_data, file_name, resolve, tables};
pub(crate) use resolved::{Config, LogFormat};
pub(crate) use rutter_yaml::{ConfigError, Problem, Problems};

/// Where a configuration comes from, so that a reload comes from there too.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The file.
    pub(crate) file: PathBuf,
    /// A data directory that goes before the file's.
    pub(crate) data: Option<PathBuf>,
    /// Whose form it has.
    pub(crate) form: Form,
}

/// Whose form a file has.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// Ours.
    Rutter,
    /// n-netman's.
    NNetman(NetmanOptions),
    /// GoDoxy's: the "file" is the directory of the set-up.
    Godoxy(GodoxyOptions),
}

impl Origin {
    /// A file of ours.
    pub(crate) fn rutter(file: PathBuf, data: Option<PathBuf>) -> Self {
        Self { file, data, form: Form::Rutter }
    }
}

/// Reads a file and says what will happen.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub(crate) fn load(origin: &Origin) -> Result<Config, ConfigError> {
    match &origin.form {
        Form::Rutter => {}
        Form::NNetman(options) => return netman::load(origin, options),
        Form::Godoxy(options) => return godoxy::load(origin, options),
    }
    let path = &origin.file;
    let text = rutter_yaml::read(path)?;
    parse(&path.display().to_string(), &text, origin.data.clone())
}

fn parse(name: &str, text: &str, data: Option<PathBuf>) -> Result<Config, ConfigError> {
    let place = |problem: Problem| ConfigError::new(name, text, vec![problem]);
    let mut file: raw::File = rutter_yaml::parse(text, Dialect::Strict).map_err(place)?;
    file.data = data.map(raw::Data::In).or(file.data);
    resolve(&file).map_err(|mut problems| {
        let positions = Positions::of(text, Dialect::Strict);
        problems.iter_mut().for_each(|problem| problem.locate(&positions));
        problems.sort_by_key(|problem| problem.spot.map(|spot| spot.offset));
        ConfigError::new(name, text, problems)
    })
}

/// Reads another YAML text as strictly.
#[cfg(test)]
pub(crate) fn read_yaml<T: serde::de::DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    rutter_yaml::parse(text, Dialect::Strict)
        .map_err(|problem| format!("{:?}: {}", problem.spot, problem.message))
}

#[cfg(test)]
mod tests;

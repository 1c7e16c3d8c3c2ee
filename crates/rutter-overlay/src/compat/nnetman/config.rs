//! n-netman's configuration file, version 1 and 2, read as it is.
//!
//! ```text
//!  text ─▶ raw::File ──resolve──▶ OverlayConfig
//!    │     what was written         what will happen
//!    └▶ Positions ◀── problems, remarks: each points into the file
//! ```
//!
//! What a file means is what the *running* original makes of it, not what its documentation says:
//! version 2 gives overlays no defaults but those at their use, so `learning` is off there unless
//! written. Where the two differ, and where Rutter does what the original only reads, a [`Remark`]
//! says so, for `rutter check`. A key that nobody knows is a remark too: the original passes over
//! it, and most are misspelt.
//!
//! What Rutter has beyond the original stands under one key of its own, `rutter`, which the
//! original passes over, so one file serves both programs.
//!
//! The one deliberate exception to "as the running original" are the timers: left out, they are
//! Rutter's.

mod raw;
mod remark;
mod resolve;
#[cfg(test)]
mod tests;

use std::path::Path;

use rutter_yaml::{ConfigError, Dialect, Positions};

use crate::OverlayConfig;

pub use remark::{Remark, RemarkKind};
pub(crate) use resolve::METRIC;

/// What a file says, and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What will happen.
    pub config: OverlayConfig,
    /// What whoever wrote the file may not expect, in the order of the text.
    pub remarks: Vec<Remark>,
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn load(path: &Path) -> Result<Reading, ConfigError> {
    read(&path.display().to_string(), &rutter_yaml::read(path)?)
}

/// Reads a text, which is shown under `name`.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn read(name: &str, text: &str) -> Result<Reading, ConfigError> {
    let file: raw::File = rutter_yaml::parse(text, Dialect::Go)
        .map_err(|problem| ConfigError::new(name, text, vec![problem]))?;
    let positions = Positions::of(text, Dialect::Go);
    match resolve::resolve(&file) {
        Ok((config, mut remarks)) => {
            let unknown = positions.unknown(&raw::known());
            remarks.extend(unknown.into_iter().map(Remark::unknown_key));
            remarks.iter_mut().for_each(|remark| remark.problem.locate(&positions));
            remarks.sort_by_key(|remark| remark.problem.spot.map(|spot| spot.offset));
            Ok(Reading { config, remarks })
        }
        Err(mut problems) => {
            problems.iter_mut().for_each(|problem| problem.locate(&positions));
            problems.sort_by_key(|problem| problem.spot.map(|spot| spot.offset));
            Err(ConfigError::new(name, text, problems))
        }
    }
}

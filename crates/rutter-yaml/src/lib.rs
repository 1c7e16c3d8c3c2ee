//! Configuration files in YAML, with everything that is wrong at its place.
//!
//! Whoever reads a file wants four things of it, and they are here once: the values
//! ([`parse`]), where each key stands ([`Positions`]), what is wrong, told with the lines around
//! it ([`Problem`], [`ConfigError`]), and which keys nobody knows ([`Positions::unknown`]).
//!
//! Two dialects: our own files are read strictly and refuse what they don't know; a foreign
//! system's file is read as that system reads it, where an unknown key costs a warning.
//!
//! The reader underneath is young and its releases are many, so nothing else names it.
#![forbid(unsafe_code)]

mod known;
mod positions;
mod problem;
mod problems;
mod reader;

use std::path::Path;

pub use known::Known;
pub use positions::Positions;
pub use problem::{ConfigError, Problem, Spot};
pub use problems::Problems;
pub use reader::{Dialect, parse, unknown_word};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The text of a file, which has 4 MiB at most.
///
/// # Errors
/// It can't be read, or is larger.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    let text = || {
        let size = std::fs::metadata(path)?.len();
        if size > MAX_FILE {
            return Err(std::io::Error::other(format!("it has {size} bytes, at most {MAX_FILE}")));
        }
        std::fs::read_to_string(path)
    };
    text().map_err(|why| ConfigError::unreadable(path, &why))
}

#[cfg(test)]
mod tests;

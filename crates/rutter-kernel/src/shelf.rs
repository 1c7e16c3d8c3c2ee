//! Others' routes in whose place ours were put, kept in a file until they are put back.
//!
//! The file is written whole and synced before the kernel is asked, so a route of the operator's is
//! never only in our memory. One line a route, behind a first line that names the form, the table
//! and the boot:
//!
//! ```text
//!   rutter displaced routes 1 table 100 boot 0f6e…
//!   172.16.0.0/24 100 4 02180000…
//! ```
//!
//! (prefix, priority, protocol, and the message that puts it again). A file of an earlier boot is
//! left out of account: what was in the kernel then is gone, and whoever had put it puts it again.
//!
//! Bounds: [`MAX_DISPLACED`] routes; over it another's route stays and ours is refused.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rutter_route::Prefix;

use crate::error::KernelError;
use crate::fib::Foreign;

/// The most routes of others that one sink displaces.
pub const MAX_DISPLACED: usize = 10_000;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Shelf {
    path: PathBuf,
    first_line: String,
}

impl Shelf {
    /// Opens the file of a table, and reads what is in it. There needn't be one.
    pub(crate) fn open(
        path: &Path,
        table: u32,
    ) -> Result<(Self, Vec<(Prefix, Foreign)>), KernelError> {
        let failed = |source| KernelError::Shelf { path: path.to_owned(), source };
        let boot = fs::read_to_string(BOOT_ID).map_err(failed)?;
        let first_line = format!("rutter displaced routes 1 table {table} boot {}", boot.trim());
        let shelf = Self { path: path.to_owned(), first_line };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((shelf, Vec::new()));
            }
            Err(error) => return Err(failed(error)),
        };
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        if first != shelf.first_line {
            let same = |line: &str| line.rsplit_once(" boot ").map(|(head, _)| head.to_owned());
            if same(first) != same(&shelf.first_line) {
                let what = "it isn't the file of this table's displaced routes";
                return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
            tracing::info!(path = %path.display(), "displaced routes of an earlier boot are let go");
            return Ok((shelf, Vec::new()));
        }
        let routes: Option<Vec<_>> = lines.map(read).collect();
        let routes = routes.ok_or_else(|| {
            failed(io::Error::new(io::ErrorKind::InvalidData, "a line of it can't be read"))
        })?;
        Ok((shelf, routes))
    }

    /// Writes what is displaced; when this returns it is on disk.
    pub(crate) fn write<'a>(
        &self,
        routes: impl Iterator<Item = (&'a Prefix, &'a Foreign)>,
    ) -> io::Result<()> {
        let mut text = format!("{}\n", self.first_line);
        for (prefix, other) in routes {
            let _ = write!(text, "{prefix} {} {} ", other.priority, other.protocol);
            for byte in other.again.iter().flat_map(|again| again.iter()) {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    }
}

fn read(line: &str) -> Option<(Prefix, Foreign)> {
    let mut words = line.split(' ');
    let prefix = words.next()?.parse().ok()?;
    let priority = words.next()?.parse().ok()?;
    let protocol = words.next()?.parse().ok()?;
    let hex = words.next()?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let again: Arc<[u8]> = bytes?.into();
    Some((prefix, Foreign { priority, protocol, again: Some(again) }))
}

#[cfg(test)]
mod tests;

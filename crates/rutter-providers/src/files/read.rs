//! One reading of one file. It blocks, so it has a thread for that.

use std::fs::{File, Metadata, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use foldhash::quality::FixedState;
use rutter_yaml::ConfigError;

use crate::Reading;
use crate::godoxy::{Settings, read_file};

use super::Variables;

/// The longest file that is read, in bytes; a longer one is broken.
const MAX_FILE: u64 = 64 << 20;

/// What tells a file from one that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// What came of reading a file.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) print: Option<Print>,
    /// Of its text, if there was one.
    pub(super) digest: Option<u64>,
    pub(super) found: Found,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// It isn't there.
    Missing,
    /// There is nothing in it.
    Empty,
    /// It is the text that was read before.
    Same,
    /// Somebody wrote into it meanwhile.
    Torn,
    /// Routes.
    Good(Reading),
    /// It can't be read, or isn't a file of routes.
    Broken(String),
}

impl Print {
    /// Of the file that is there now.
    pub(super) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|is| Self::from(&is))
    }

    /// Of a folder, whose length and time change with what is in it.
    pub(super) fn of_folder(path: &Path) -> Option<Self> {
        Self::of(path).map(|is| Self { length: 0, modified: (0, 0), ..is })
    }
}

/// Whether a file has other names, so that it may change without being written under this one.
pub(super) fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|is| is.is_symlink() || is.nlink() > 1)
}

impl From<&Metadata> for Print {
    fn from(is: &Metadata) -> Self {
        Self {
            device: is.dev(),
            inode: is.ino(),
            length: is.len(),
            modified: (is.mtime(), is.mtime_nsec()),
        }
    }
}

/// Reads a file, unless its text is the one with the digest `known`. A mistake of this program in
/// reading it is the file's, and stops nothing else.
pub(super) fn read(
    path: &Path,
    known: Option<u64>,
    variables: &Variables,
    settings: &Settings,
) -> Read {
    let reads = AssertUnwindSafe(|| try_read(path, known, variables, settings));
    catch_unwind(reads).unwrap_or_else(|_| {
        let found = Found::Broken("reading it broke; the log says where".to_owned());
        Read { print: Print::of(path), digest: None, found }
    })
}

fn try_read(path: &Path, known: Option<u64>, variables: &Variables, settings: &Settings) -> Read {
    let name = path.display().to_string();
    let nothing = |found| Read { print: None, digest: None, found };
    let (print, text) = match text_of(path) {
        Ok(Some(read)) => read,
        Ok(None) => return nothing(Found::Torn),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing(Found::Missing),
        Err(error) => {
            let broken = nothing(Found::Broken(error.to_string()));
            return Read { print: Print::of(path), ..broken };
        }
    };
    let digest = FixedState::with_seed(0).hash_one(&text);
    let found = if known == Some(digest) {
        Found::Same
    } else if text.trim().is_empty() {
        Found::Empty
    } else {
        let environment = |name: &str| variables(name);
        let read: Result<Reading, ConfigError> = read_file(&name, &text, &environment, settings);
        read.map_or_else(|error| Found::Broken(in_a_line(&error)), Found::Good)
    };
    Read { print: Some(print), digest: Some(digest), found }
}

/// Why a text isn't a file of routes, without the file's name, which is told with it.
fn in_a_line(error: &ConfigError) -> String {
    let said = error.problems.iter().map(|problem| match problem.spot {
        Some(spot) => format!("line {}, column {}: {}", spot.line, spot.column, problem.message),
        None => problem.message.clone(),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// Its text, or none if it was changed while it was read.
fn text_of(path: &Path) -> io::Result<Option<(Print, String)>> {
    // A pipe under this name would be waited for without end.
    let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(no_wait).open(path)?;
    let before = whole(&file)?;
    let mut text = String::new();
    (&mut file).take(MAX_FILE + 1).read_to_string(&mut text)?;
    let after = whole(&file)?;
    Ok((before == after).then_some((after, text)))
}

fn whole(file: &File) -> io::Result<Print> {
    let is = file.metadata()?;
    if !is.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    if is.len() > MAX_FILE {
        return Err(io::Error::other(format!("it is longer than {MAX_FILE} bytes")));
    }
    Ok(Print::from(&is))
}

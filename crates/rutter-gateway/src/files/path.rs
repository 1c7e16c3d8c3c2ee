//! From a request's path to a name below the folder.
//!
//! A path is taken apart at its slashes *before* it is decoded, so that an encoded slash is part of
//! a name, and no name has one: such a path leads nowhere. `.` and `..`, encoded or not, lead nowhere
//! too; clients resolve them before they ask. Empty segments are passed over.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Relative to the folder; empty: the folder itself.
    pub(super) path: PathBuf,
    /// Whether a folder is asked for, by a slash at the end.
    pub(super) is_folder: bool,
}

/// The name that a path means; `None`: it means none.
pub(super) fn parse(path: &str) -> Option<Wanted> {
    let rest = path.strip_prefix('/')?;
    let mut below = PathBuf::new();
    for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
        below.push(OsStr::from_bytes(&name(segment)?));
    }
    Some(Wanted { path: below, is_folder: path.ends_with('/') })
}

/// The path as people read it.
pub(super) fn shown(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn name(segment: &str) -> Option<Vec<u8>> {
    if !is_encoded_well(segment) {
        return None;
    }
    let name: Vec<u8> = percent_decode_str(segment).collect();
    let leads_away = name.contains(&b'/') || name.contains(&0) || name == b"." || name == b"..";
    (!leads_away).then_some(name)
}

/// Two hexadecimal digits behind each `%`; what isn't is read in two ways by two readers.
fn is_encoded_well(segment: &str) -> bool {
    let mut pieces = segment.split('%');
    let _plain = pieces.next();
    pieces.all(|piece| {
        let mut bytes = piece.bytes();
        let mut is_digit = || bytes.next().is_some_and(|b| b.is_ascii_hexdigit());
        is_digit() && is_digit()
    })
}

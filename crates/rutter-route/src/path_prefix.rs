//! Paths that belong to a route, where several share a host.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::ParseError;
use crate::parse::serde_by_text;

/// The beginning of the paths that a route serves: `/` and whole segments. `/api` is the prefix of
/// `/api` and `/api/users`, never of `/apiary`: two apps that share a host by path must not get
/// each other's requests by a likeness of names.
///
/// The bytes of a path are compared as they came. An encoded form of the same path, `/%61pi`, is
/// another path here, so it reaches whoever has the rest of the host; the gateway sends an
/// upstream the path that it compared, so no upstream sees what it wasn't asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(SmolStr);

impl PathPrefix {
    /// The longest prefix, in bytes.
    pub const MAX_LEN: usize = 1024;

    /// The prefix as text, without a `/` at its end unless it is the whole.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request's path, without its query, is the prefix or lies under it.
    pub fn covers(&self, path: &str) -> bool {
        self.rest(path).is_some()
    }

    /// A request's path without the prefix, beginning with `/`; `None` if it isn't covered.
    pub fn stripped<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.rest(path).map(|rest| if rest.is_empty() { "/" } else { rest })
    }

    /// What follows the prefix: nothing, or what begins with `/`.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.0 == "/" {
            return path.starts_with('/').then_some(path);
        }
        path.strip_prefix(self.0.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for PathPrefix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |expected: &str| ParseError::new("path prefix", text, expected);
        if text == "/" {
            return Ok(Self(text.into()));
        }
        let bare = text.strip_suffix('/').unwrap_or(text);
        let Some(segments) = bare.strip_prefix('/') else {
            return Err(error("a path that begins with `/`"));
        };
        if text.len() > Self::MAX_LEN {
            return Err(error("1024 bytes at most"));
        }
        if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(error("no empty segment, `.` or `..`: no request has such a path"));
        }
        if !segments.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b)) {
            return Err(error("a path as it stands in a request, without query and spaces"));
        }
        Ok(Self(bare.into()))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(PathPrefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_segments_and_nothing_else() {
        let cases = [
            ("/api", "/api", Some("/")),
            ("/api", "/api/", Some("/")),
            ("/api", "/api/v1/x", Some("/v1/x")),
            ("/api/", "/api", Some("/")),
            ("/api", "/apiary", None),
            ("/api", "/", None),
            ("/api", "/API", None),
            ("/", "/anything", Some("/anything")),
            ("/", "*", None),
            ("/a/b", "/a", None),
        ];
        for (prefix, path, want) in cases {
            let prefix: PathPrefix = prefix.parse().unwrap();
            assert_eq!(prefix.stripped(path), want, "{prefix} {path}");
            assert_eq!(prefix.covers(path), want.is_some());
            assert_eq!(prefix.to_string().parse(), Ok(prefix));
        }
    }

    #[test]
    fn what_no_request_can_have_is_refused() {
        for text in ["", "api", "//", "/a//b", "/a/../b", "/.", "/a?b", "/a#b", "/a b", "/ä"] {
            text.parse::<PathPrefix>().unwrap_err();
        }
        format!("/{}", "a".repeat(PathPrefix::MAX_LEN)).parse::<PathPrefix>().unwrap_err();
    }
}

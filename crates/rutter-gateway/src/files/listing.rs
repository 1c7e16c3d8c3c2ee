//! What a folder holds, as a page or as JSON.
//!
//! Bound: [`MAX_ENTRIES`] names. A folder with more says so: the page by a line, and either form by
//! the header [`X_RUTTER_CUT`]. Which names those are is the file system's choice.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, VARY};
use http::{HeaderValue, Method, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::Serialize;

use crate::proxy::pages::prefers_json;
use crate::upstream::body::AnswerBody;

/// How many names are listed.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// Says that a folder holds more than is listed.
const X_RUTTER_CUT: HeaderName = HeaderName::from_static("x-rutter-cut");

/// What stands in a link as it is.
const LINK: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: Kind,
    /// In bytes.
    pub(super) size: u64,
    /// In seconds since 1970.
    pub(super) modified: i64,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Folder,
    File,
    /// To something; where to is not said.
    Link,
}

/// An entry in JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    name: std::borrow::Cow<'a, str>,
    r#type: Kind,
    size: u64,
    modified: String,
}

/// The answer for a folder; `path` as people read it.
pub(super) fn answer(
    path: &str,
    entries: Vec<Entry>,
    cut: bool,
    accept: Option<&HeaderValue>,
    method: &Method,
) -> Response<AnswerBody> {
    let (kind, text) = match prefers_json(accept) {
        true => ("application/json", json(&entries)),
        false => ("text/html; charset=utf-8", html(path, &entries, cut)),
    };
    let n_bytes = text.len();
    let text = if *method == Method::HEAD { String::new() } else { text };
    let mut answer = Response::new(AnswerBody::Own(text.into()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, n_bytes.into());
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if cut {
        headers.insert(X_RUTTER_CUT, MAX_ENTRIES.into());
    }
    answer
}

fn json(entries: &[Entry]) -> String {
    let shown = entries.iter().map(|entry| Shown {
        name: entry.name.to_string_lossy(),
        r#type: entry.kind,
        size: entry.size,
        modified: date(entry.modified),
    });
    // Strings and numbers always can be written.
    serde_json::to_string(&shown.collect::<Vec<_>>()).unwrap_or_default()
}

fn html(path: &str, entries: &[Entry], cut: bool) -> String {
    let path = escaped(path);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{path}</title><h1>{path}</h1><ul>\n"
    );
    if path != "/" {
        page.push_str("<li><a href=\"../\">../</a>\n");
    }
    for entry in entries {
        let end = if entry.kind == Kind::Folder { "/" } else { "" };
        let link = percent_encode(entry.name.as_bytes(), LINK);
        let name = escaped(&entry.name.to_string_lossy());
        // Writing to a string never fails.
        let _written = writeln!(page, "<li><a href=\"./{link}{end}\">{name}{end}</a>");
    }
    page.push_str("</ul>");
    if cut {
        let _written = write!(page, "<p>There is more; {MAX_ENTRIES} names are listed.</p>");
    }
    page.push_str("</html>\n");
    page
}

fn date(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).map(httpdate::fmt_http_date).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

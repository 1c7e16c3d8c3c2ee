//! Conditions of a request: whether the client has the file already, or meant another one
//! (RFC 9110 13).

use std::time::{Duration, SystemTime};

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use http::{HeaderMap, HeaderValue};

/// What a file is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    /// In quotes; strong.
    pub(super) tag: &'a str,
    pub(super) modified: SystemTime,
}

/// What the conditions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it.
    Holds,
    /// 304: the client has it.
    NotModified,
    /// 412: it isn't what the client meant.
    Failed,
}

/// Asks the conditions in their order (13.2.2).
pub(super) fn judge(headers: &HeaderMap, file: Validators<'_>) -> Verdict {
    let modified_after = |name| date(headers, name).map(|date| file.seconds() > seconds(date));
    let is_other = match tags(headers, &IF_MATCH) {
        Some(mut tags) => !tags.any(|tag| tag == "*" || tag == file.tag),
        None => modified_after(IF_UNMODIFIED_SINCE).unwrap_or(false),
    };
    if is_other {
        return Verdict::Failed;
    }
    let is_known = match tags(headers, &IF_NONE_MATCH) {
        // Compared weakly: a proxy between may have made it weak.
        Some(mut tags) => tags.any(|tag| tag == "*" || weak(tag) == file.tag),
        None => modified_after(IF_MODIFIED_SINCE).is_some_and(|is_newer| !is_newer),
    };
    if is_known { Verdict::NotModified } else { Verdict::Holds }
}

/// Whether the client's part of a file is of this one (13.1.5): only then is a range of it of use.
pub(super) fn is_same_for_range(headers: &HeaderMap, file: Validators<'_>) -> bool {
    let Some(condition) = headers.get(IF_RANGE).map(HeaderValue::to_str) else { return true };
    let Ok(condition) = condition else { return false };
    match condition.starts_with(['"', 'W']) {
        true => condition == file.tag,
        false => {
            httpdate::parse_http_date(condition).is_ok_and(|date| seconds(date) == file.seconds())
        }
    }
}

impl Validators<'_> {
    fn seconds(&self) -> u64 {
        seconds(self.modified)
    }
}

/// HTTP's dates have no parts of a second.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tags of a list; `None`: there is none. (A tag with a comma in it comes apart; ours have none.)
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<impl Iterator<Item = &'a str>> {
    headers.contains_key(name).then(|| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(str::trim)
    })
}

//! From HTTP/2 to the HTTP/1.1 of upstreams: what h2 leaves to us.
//!
//! h2 refuses most malformed requests itself (RFC 9113 8.2, 8.3): upper-case names, unknown or
//! repeated pseudo-headers, connection-specific headers, `te` other than `trailers`, bodies
//! longer or shorter than `content-length`. What it lets pass and HTTP/1.1 gives another meaning
//! is refused or made one here, before anything else looks at the request.

use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

use super::pages::{self, Page};

/// Makes a request of HTTP/2 one that HTTP/1.1 can say; others are not touched.
///
/// # Errors
/// The answer to a malformed one.
pub(super) fn translate<B>(request: &mut Request<B>, max_headers: usize) -> Result<(), Page> {
    if request.version() != Version::HTTP_2 {
        return Ok(());
    }
    if request.headers().len() > max_headers {
        return Err(pages::HEADERS_TOO_MANY);
    }
    if !request.headers().values().all(is_trimmed) {
        return Err(pages::BAD_HEADER);
    }
    if !one_authority(request.uri(), request.headers()) {
        return Err(pages::BAD_HOST);
    }
    one_length(request.headers_mut())?;
    join_cookies(request.headers_mut());
    Ok(())
}

/// A value neither begins nor ends with white space (RFC 9113 8.2.1): an HTTP/1.1 parser would
/// take it off, so two would read the message differently.
fn is_trimmed(value: &HeaderValue) -> bool {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    let bytes = value.as_bytes();
    !blank(bytes.first()) && !blank(bytes.last())
}

/// `:authority` and `Host` name the same, where both are there (RFC 9113 8.3.1). Unlike HTTP/1.1,
/// where the target overrides, a difference is malformed.
fn one_authority(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(authority) = uri.authority() else { return true };
    let authority = authority.as_str().as_bytes();
    headers.get_all(HOST).iter().all(|host| host.as_bytes().eq_ignore_ascii_case(authority))
}

/// `content-length` is one number. h2 takes an empty one for zero, and equal ones for one.
fn one_length(headers: &mut HeaderMap) -> Result<(), Page> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next().cloned() else { return Ok(()) };
    let digits = !first.is_empty() && first.as_bytes().iter().all(u8::is_ascii_digit);
    if !digits || lengths.any(|other| other != first) {
        return Err(pages::BAD_LENGTH);
    }
    headers.insert(CONTENT_LENGTH, first);
    Ok(())
}

/// Cookies may come apart, so that they compress better; an HTTP/1.1 origin expects one line
/// (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    let (Some(_), Some(_)) = (cookies.next(), cookies.next()) else { return };
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Valid values joined by `; ` are one.
    if let Ok(line) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, line);
    }
}

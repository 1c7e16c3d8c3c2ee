//! What is let in: the checks that come after hyper's parser and before any route.

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Version};

use super::pages::{self, Page};
use crate::index::normalise;

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The host, normalised: what the index is asked for.
    pub(crate) host: String,
    /// The host as the client wrote it: what the origin is told.
    pub(crate) authority: HeaderValue,
    /// The target in origin form.
    pub(crate) target: PathAndQuery,
}

/// Checks a request.
///
/// # Errors
/// The answer to one that isn't let in.
pub(crate) fn admit<B>(request: &Request<B>, max_target: usize) -> Result<Asked, Page> {
    if !matches!(request.version(), Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(pages::BAD_VERSION);
    }
    if *request.method() == Method::CONNECT {
        return Err(pages::NO_CONNECT);
    }
    let target = target(request)?;
    if target.as_str().len() > max_target {
        return Err(pages::TARGET_TOO_LONG);
    }
    check_coding(request)?;
    let authority = authority(request)?;
    let text = authority.to_str().map_err(|_| pages::BAD_HOST)?;
    let host = normalise(text).map_err(|_| pages::BAD_HOST)?.into_owned();
    Ok(Asked { host, authority, target })
}

/// The target in origin form, or `*` for `OPTIONS`. An absolute form is turned into it; anything
/// else is no request to a service.
fn target<B>(request: &Request<B>) -> Result<PathAndQuery, Page> {
    let uri = request.uri();
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(pages::BAD_TARGET);
    }
    if uri.scheme().is_none() && uri.authority().is_some() {
        return Err(pages::BAD_TARGET);
    }
    let target = uri.path_and_query().ok_or(pages::BAD_TARGET)?;
    match target.as_str() {
        "*" if *request.method() == Method::OPTIONS => Ok(target.clone()),
        text if text.starts_with('/') => escaped(target),
        _ => Err(pages::BAD_TARGET),
    }
}

/// The target with each byte over 0x7e escaped (RFC 3987 3.1): clients send them raw, and no
/// grammar of HTTP lets them through.
fn escaped(target: &PathAndQuery) -> Result<PathAndQuery, Page> {
    let text = target.as_str();
    if text.bytes().all(|b| b < 0x7f) {
        return Ok(target.clone());
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            0x7f.. => escaped.push_str(&format!("%{byte:02X}")),
            plain => escaped.push(char::from(plain)),
        }
    }
    PathAndQuery::try_from(escaped).map_err(|_| pages::BAD_TARGET)
}

/// `Transfer-Encoding` is `chunked` and nothing else: another coding would reach the origin
/// undecoded and unannounced.
fn check_coding<B>(request: &Request<B>) -> Result<(), Page> {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(pages::BAD_CODING),
    }
}

/// Who is asked: the target's authority if it has one, which overrides `Host` (RFC 9112 3.2.2),
/// else `Host`, of which there must be exactly one (3.2); HTTP/1.0 may have none, but then nobody
/// can tell which service is meant.
fn authority<B>(request: &Request<B>) -> Result<HeaderValue, Page> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() || (host.is_none() && request.version() == Version::HTTP_11) {
        return Err(pages::BAD_HOST);
    }
    match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).map_err(|_| pages::BAD_HOST),
        None => host.cloned().ok_or(pages::BAD_HOST),
    }
}

//! From HTTP to HTTPS: where a plain listener sends everybody, and that browsers stay there.

use std::time::Duration;

use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use super::admit::Asked;
use crate::upstream::body::AnswerBody;

/// The same request at the port of HTTPS. 308, since it must not become another method (RFC 9110
/// 15.4.9). `None`: what was asked for can't be said in a URL.
pub(super) fn to_https(asked: &Asked, port: u16) -> Option<Response<AnswerBody>> {
    let target = match asked.target.as_str() {
        "*" => "/",
        target => target,
    };
    // The host without its port; IPv6 keeps its brackets.
    let authority = asked.authority.to_str().ok()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let location = match port {
        443 => format!("https://{host}{target}"),
        port => format!("https://{host}:{port}{target}"),
    };
    let mut answer = Response::new(AnswerBody::Own(Full::default()));
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_str(&location).ok()?);
    Some(answer)
}

/// `Strict-Transport-Security` (RFC 6797 6.1); `None`: nothing is said. Subdomains are not
/// included: a gateway can't know that all of a domain's names are behind it.
pub(crate) fn hsts(max_age: Duration) -> Option<HeaderValue> {
    let seconds = max_age.as_secs();
    (seconds > 0).then(|| HeaderValue::from_str(&format!("max-age={seconds}")).ok()).flatten()
}

//! The gateway's own answers: what went wrong, without saying more than the client may know.
//!
//! A browser gets a short page, whoever prefers plain text a line of it, and everyone else
//! `{"error": ..., "code": ...}`: `Accept` decides by its weights ([`Form`]). The codes are stable;
//! `ROUTES_EXHAUSTED` is Mesh Router's.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::upstream::body::AnswerBody;

/// Says by its code that an answer is the gateway's own, and why.
pub(crate) const X_RUTTER_ERROR: HeaderName = HeaderName::from_static("x-rutter-error");

/// An answer of the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) error: &'static str,
}

const fn page(status: StatusCode, code: &'static str, error: &'static str) -> Page {
    Page { status, code, error }
}

pub(crate) const BAD_VERSION: Page = page(
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    "BAD_VERSION",
    "This gateway speaks HTTP/1.0, HTTP/1.1 and HTTP/2",
);
pub(crate) const NO_CONNECT: Page =
    page(StatusCode::NOT_IMPLEMENTED, "NO_CONNECT", "This gateway opens no tunnels by CONNECT");
pub(crate) const BAD_TARGET: Page =
    page(StatusCode::BAD_REQUEST, "BAD_TARGET", "The request target is not a path");
pub(crate) const TARGET_TOO_LONG: Page =
    page(StatusCode::URI_TOO_LONG, "TARGET_TOO_LONG", "The request target is too long");
pub(crate) const BAD_CODING: Page = page(
    StatusCode::NOT_IMPLEMENTED,
    "BAD_CODING",
    "The only transfer coding that this gateway knows is chunked",
);
pub(crate) const BAD_HOST: Page =
    page(StatusCode::BAD_REQUEST, "BAD_HOST", "The request must name one valid host");
pub(crate) const BAD_HEADER: Page = page(
    StatusCode::BAD_REQUEST,
    "BAD_HEADER",
    "A header's value must not begin or end with white space",
);
pub(crate) const BAD_LENGTH: Page =
    page(StatusCode::BAD_REQUEST, "BAD_LENGTH", "The content length must be one number");
pub(crate) const HEADERS_TOO_MANY: Page = page(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "HEADERS_TOO_MANY",
    "The request has too many headers",
);
pub(crate) const BODY_INCOMPLETE: Page =
    page(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", "The request body ended early");
pub(crate) const BODY_TOO_SLOW: Page =
    page(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", "The request body came too slowly");
pub(crate) const BODY_TOO_LARGE: Page =
    page(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "The request body is too large");
pub(crate) const LOOP: Page =
    page(StatusCode::LOOP_DETECTED, "LOOP", "This request has come through this gateway before");
/// Of other clusters: what a request came through isn't this cluster's to read, or to go on from.
pub(crate) const BAD_VIA: Page = page(
    StatusCode::BAD_REQUEST,
    "BAD_VIA",
    "The list of clusters that this request came through can't be read",
);
pub(crate) const CLUSTER_LOOP: Page = page(
    StatusCode::LOOP_DETECTED,
    "CLUSTER_LOOP",
    "This request has come through this cluster before",
);
pub(crate) const HOP_BUDGET: Page = page(
    StatusCode::LOOP_DETECTED,
    "HOP_BUDGET",
    "This request has come through as many clusters as it may",
);
pub(crate) const NO_WAY: Page = page(
    StatusCode::SERVICE_UNAVAILABLE,
    "NO_WAY",
    "Nothing leads to the cluster of this service now",
);
pub(crate) const NOT_NEIGHBOUR: Page =
    page(StatusCode::FORBIDDEN, "NOT_NEIGHBOUR", "This listener is for neighbours of this cluster");
pub(crate) const MISDIRECTED: Page = page(
    StatusCode::MISDIRECTED_REQUEST,
    "MISDIRECTED",
    "This connection was not made for this service, which asks for a certificate",
);
pub(crate) const CERTIFICATE_REQUIRED: Page = page(
    StatusCode::FORBIDDEN,
    "CERTIFICATE_REQUIRED",
    "This service is reached by HTTPS with a client certificate and not otherwise",
);
pub(crate) const UNKNOWN_HOST: Page =
    page(StatusCode::NOT_FOUND, "UNKNOWN_HOST", "No service has this name");
pub(crate) const NO_SHORT_LINK: Page =
    page(StatusCode::BAD_REQUEST, "NO_SHORT_LINK", "A short link names a service in its path");
pub(crate) const NOT_TOLD: Page = page(
    StatusCode::SERVICE_UNAVAILABLE,
    "NOT_TOLD",
    "This gateway has not been told its services yet",
);
pub(crate) const NOT_RESOLVED: Page = page(
    StatusCode::SERVICE_UNAVAILABLE,
    "NOT_RESOLVED",
    "Nobody can say now where this service is",
);
pub(crate) const NO_ROUTES: Page =
    page(StatusCode::SERVICE_UNAVAILABLE, "NO_ROUTES", "Nothing leads to this service now");
/// Of a route that is refused: why stands in the log and in `explain`, and is nobody else's.
pub(crate) const KEPT_PLACE: Page =
    page(StatusCode::SERVICE_UNAVAILABLE, "KEPT_PLACE", "This service isn't served");
pub(crate) const NO_MEMBER: Page = page(
    StatusCode::SERVICE_UNAVAILABLE,
    "NO_MEMBER",
    "None of those who serve this could be reached",
);
pub(crate) const ROUTES_EXHAUSTED: Page =
    page(StatusCode::BAD_GATEWAY, "ROUTES_EXHAUSTED", "All backend routes failed");
pub(crate) const BACKEND_FAILED: Page = page(
    StatusCode::BAD_GATEWAY,
    "BACKEND_FAILED",
    "The backend failed while it had the request, which may not be repeated",
);
pub(crate) const BACKEND_INVALID: Page = page(
    StatusCode::BAD_GATEWAY,
    "BACKEND_INVALID",
    "The backend's answer could be read in two ways",
);
pub(crate) const RETRY_BUDGET: Page = page(
    StatusCode::BAD_GATEWAY,
    "RETRY_BUDGET",
    "The backend failed, and too many requests are being repeated already",
);
pub(crate) const BACKEND_BUSY: Page = page(
    StatusCode::SERVICE_UNAVAILABLE,
    "BACKEND_BUSY",
    "The backend has all the requests that it may have at once",
);
pub(crate) const NO_UPGRADE: Page = page(
    StatusCode::NOT_IMPLEMENTED,
    "NO_UPGRADE",
    "The backend speaks HTTP/2 alone, over which nothing is upgraded",
);
pub(crate) const NO_SUCH_FILE: Page =
    page(StatusCode::NOT_FOUND, "NO_SUCH_FILE", "There is no such file");
pub(crate) const FILE_METHOD: Page =
    page(StatusCode::METHOD_NOT_ALLOWED, "FILE_METHOD", "Files answer to GET and HEAD");
pub(crate) const FILE_CHANGED: Page =
    page(StatusCode::PRECONDITION_FAILED, "FILE_CHANGED", "The file is not the one that was meant");
pub(crate) const FILE_RANGE: Page =
    page(StatusCode::RANGE_NOT_SATISFIABLE, "FILE_RANGE", "The file has no such part");
pub(crate) const FILE_FAILED: Page =
    page(StatusCode::INTERNAL_SERVER_ERROR, "FILE_FAILED", "The file can't be read");
pub(crate) const BACKEND_TIMEOUT: Page =
    page(StatusCode::GATEWAY_TIMEOUT, "BACKEND_TIMEOUT", "Backend server timed out");

impl Page {
    /// Whether the connection ends with it (HTTP/1): where the request's framing can't be trusted,
    /// or its body won't be read to its end, what follows may not be a request.
    pub(crate) fn closes(self) -> bool {
        self.status.is_client_error() && self != UNKNOWN_HOST
            || matches!(self, NO_CONNECT | BAD_VERSION | BAD_CODING)
    }

    /// The answer, in the form that the client prefers.
    pub(crate) fn answer(self, accept: Option<&HeaderValue>) -> Response<AnswerBody> {
        let (kind, text) = match Form::preferred(accept) {
            Form::Json => ("application/json", self.json()),
            Form::Html => ("text/html; charset=utf-8", self.html()),
            Form::Text => ("text/plain; charset=utf-8", self.text()),
        };
        let mut response = Response::new(AnswerBody::Own(Full::new(Bytes::from(text))));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(X_RUTTER_ERROR, HeaderValue::from_static(self.code));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    /// The texts are ours and hold nothing that JSON or HTML would escape.
    fn json(self) -> String {
        format!("{{\"error\":\"{}\",\"code\":\"{}\"}}", self.error, self.code)
    }

    fn text(self) -> String {
        let (status, reason) = self.status_line();
        format!("{status} {reason}: {} ({})\n", self.error, self.code)
    }

    fn status_line(self) -> (u16, &'static str) {
        (self.status.as_u16(), self.status.canonical_reason().unwrap_or("Error"))
    }

    fn html(self) -> String {
        let (status, reason) = self.status_line();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <title>{status} {reason}</title><h1>{status} {reason}</h1>\
             <p>{}.</p><p><small>{}</small></p></html>\n",
            self.error, self.code
        )
    }
}

/// Whether a client would rather have JSON than a page: only if it says so.
pub(crate) fn prefers_json(accept: Option<&HeaderValue>) -> bool {
    let accept = accept.and_then(|a| a.to_str().ok()).unwrap_or_default();
    let weight_of = |media_type| weight(accept, media_type).unwrap_or_default();
    weight_of("application/json") > weight_of("text/html")
}

/// What an answer of ours looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Text,
}

impl Form {
    /// In our order of liking: of equal weights the first counts.
    const ALL: [(Self, &str); 3] =
        [(Self::Json, "application/json"), (Self::Html, "text/html"), (Self::Text, "text/plain")];

    /// The one that `Accept` names with the highest weight. `*/*` names none: it is what programs
    /// send that said nothing of it, `curl` among them, and those are better off with JSON.
    fn preferred(accept: Option<&HeaderValue>) -> Self {
        let accept = accept.and_then(|a| a.to_str().ok()).unwrap_or_default();
        let mut preferred = (Self::Json, 0);
        for (form, media_type) in Self::ALL {
            let named = weight(accept, media_type);
            let named = match form {
                // Whoever takes any text is a reader of text.
                Self::Text => named.or_else(|| weight(accept, "text/*")),
                Self::Json | Self::Html => named,
            };
            if let Some(weight) = named.filter(|weight| *weight > preferred.1) {
                preferred = (form, weight);
            }
        }
        preferred.0
    }
}

/// The weight of a range that stands in `Accept`.
fn weight(accept: &str, wanted: &str) -> Option<u32> {
    let ranges = accept.split(',').map(|r| r.split(';').map(str::trim));
    let is_wanted = |range: &str| range.eq_ignore_ascii_case(wanted);
    ranges.filter_map(|mut r| is_wanted(r.next()?).then(|| quality(r))).max()
}

/// The weight in thousandths; 1000 unless said (RFC 9110 12.4.2).
fn quality<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u32 {
    let q = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    match q.map(str::parse::<f32>) {
        None => 1000,
        Some(Ok(q)) if (0.0..=1.0).contains(&q) => (q * 1000.0) as u32,
        Some(_) => 0,
    }
}

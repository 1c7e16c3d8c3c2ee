//! Headers on their way through: what belongs to one connection only stays there.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version};
use rutter_route::PathPrefix;

use super::Client;
use super::admit::Asked;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of one connection (RFC 9110 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What `Connection` can't name away: without them a message has another meaning or recipient.
const NEVER_NAMED: [HeaderName; 2] = [HOST, CONTENT_LENGTH];

/// This gateway in the list of those that a request came through (RFC 9110 7.6.3). Whoever
/// registers a route that leads back here would have each request come round until there are no
/// sockets left; a request that has been here is refused instead.
#[derive(Debug)]
pub(crate) struct Via {
    http1: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    /// `random` tells this gateway from all others.
    pub(crate) fn new(random: u64) -> Self {
        let line = |version: &str| {
            // Hex digits are always a valid value.
            HeaderValue::from_str(&format!("{version} rutter-{random:016x}"))
                .unwrap_or(HeaderValue::from_static("1.1 rutter"))
        };
        Self { http1: line("1.1"), http2: line("2.0") }
    }

    /// How a request of that version came to us.
    fn line(&self, received: Version) -> HeaderValue {
        match received {
            Version::HTTP_2 => self.http2.clone(),
            _ => self.http1.clone(),
        }
    }

    /// Whether a request has been here.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(VIA)
            && (names(headers, &VIA, self.http1.as_bytes())
                || names(headers, &VIA, self.http2.as_bytes()))
    }
}

/// The head of a request as it goes upstream; cloned for each try.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// For routes that are asked without the service's path prefix.
    stripped: Option<Stripped>,
}

/// What an upstream is told that doesn't know its path prefix.
#[derive(Debug, Clone)]
struct Stripped {
    /// The target without it.
    uri: Uri,
    /// The prefix, behind those that trusted proxies took away.
    prefix: HeaderValue,
}

impl Head {
    /// Whether it is a call of gRPC, by its media type.
    pub(super) fn is_grpc(&self) -> bool {
        const GRPC: &[u8] = b"application/grpc";
        let kind = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        kind.and_then(|kind| kind.get(..GRPC.len())).is_some_and(|k| k.eq_ignore_ascii_case(GRPC))
    }

    /// What is asked for, without the service's path prefix if the route wants it so.
    pub(super) fn target(&self, strips: bool) -> &Uri {
        match &self.stripped {
            Some(stripped) if strips => &stripped.uri,
            _ => &self.uri,
        }
    }

    /// Takes the service's path prefix from the target, and says so in `X-Forwarded-Prefix`. Of a
    /// service without one there is nothing to take.
    pub(crate) fn strip<B>(&self, request: &mut Request<B>) {
        let Some(stripped) = &self.stripped else { return };
        *request.uri_mut() = stripped.uri.clone();
        append(request.headers_mut(), X_FORWARDED_PREFIX, stripped.prefix.clone());
    }
}

/// The target without the prefix and the prefix; an upstream's path always begins with `/`.
fn stripped(target: &PathAndQuery, prefix: &PathPrefix) -> Option<Stripped> {
    let path = prefix.stripped(target.path())?;
    let target: Result<PathAndQuery, _> = match target.query() {
        None => path.parse(),
        Some(query) => format!("{path}?{query}").parse(),
    };
    let prefix = HeaderValue::from_str(prefix.as_str()).ok()?;
    // Part of a valid target is one.
    Some(Stripped { uri: Uri::from(target.ok()?), prefix })
}

/// What the gateway says of the client to the origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Onward<'a> {
    pub(crate) via: &'a Via,
    /// The version that the request came by.
    pub(crate) version: Version,
    pub(crate) client: &'a Client,
    /// The client's address, behind trusted proxies.
    pub(crate) address: IpAddr,
    /// Whether the client is a proxy whose words on its own client are believed.
    pub(crate) trusted: bool,
    pub(crate) id: &'a HeaderValue,
}

/// The head that goes upstream, from the one that came.
pub(crate) fn request_head(
    method: Method,
    mut headers: HeaderMap,
    asked: &Asked,
    onward: Onward<'_>,
    upgrade: Option<&HeaderValue>,
    has_body: bool,
    strips: Option<&PathPrefix>,
) -> Head {
    let wants_trailers = names(&headers, &TE, b"trailers");
    strip(&mut headers);
    // hyper answers `Expect: 100-continue` itself, when the body is first read: when there is a
    // connection that it can go to.
    headers.remove(EXPECT);
    headers.insert(HOST, asked.authority.clone());
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        // Said, not left to hyper: it would drop the body of a GET that doesn't say so.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    introduce(&mut headers, &method, asked, onward);
    let stripped = strips.and_then(|prefix| stripped(&asked.target, prefix));
    Head { method, uri: Uri::from(asked.target.clone()), headers, stripped }
}

/// Makes an upstream's headers fit for the client. An answer that was chunked has no length of its
/// own, whatever it says beside it (RFC 9112 6.3).
///
/// `of_gateway`: it comes from a neighbour's gateway, whose own word on what went wrong stays.
pub(crate) fn answer_headers(headers: &mut HeaderMap, upgraded: bool, of_gateway: bool) {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let upgrade = headers.get(UPGRADE).filter(|_| upgraded).cloned();
    // A word of the gateway's own, which an upstream can't say for it.
    if !of_gateway {
        headers.remove(super::pages::X_RUTTER_ERROR);
    }
    strip(headers);
    if chunked {
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Whether one of the header's comma-separated tokens is `token`, without regard to case.
pub(crate) fn names(headers: &HeaderMap, header: &HeaderName, token: &[u8]) -> bool {
    tokens(headers, header).any(|t| t.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(header).iter();
    lines.flat_map(|v| v.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii)
}

fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
            .filter_map(|t| HeaderName::from_bytes(t).ok())
            .filter(|n| !NEVER_NAMED.contains(n))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Tells the origin who asks. What a client says of itself is believed only of trusted proxies;
/// else it could choose the address that origins log, limit and let in by.
fn introduce(headers: &mut HeaderMap, method: &Method, asked: &Asked, onward: Onward<'_>) {
    let ip = onward.client.peer.ip().to_canonical();
    let proto = if onward.client.tls { "https" } else { "http" };
    if !onward.trusted {
        headers.remove(X_FORWARDED_FOR);
        headers.remove(X_FORWARDED_PORT);
        headers.remove(X_FORWARDED_PREFIX);
        headers.remove(FORWARDED);
    }
    let peer = address_value(ip);
    let address = if onward.address == ip { peer.clone() } else { address_value(onward.address) };
    append(headers, X_FORWARDED_FOR, peer);
    set(headers, X_REAL_IP, address, onward.trusted);
    if headers.contains_key(FORWARDED) {
        let node = match ip {
            IpAddr::V4(ip) => format!("for={ip};proto={proto}"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\";proto={proto}"),
        };
        if let Ok(value) = HeaderValue::from_str(&node) {
            append(headers, FORWARDED, value);
        }
    }
    set(headers, X_FORWARDED_PROTO, HeaderValue::from_static(proto), onward.trusted);
    set(headers, X_FORWARDED_HOST, asked.authority.clone(), onward.trusted);
    // What was asked, for who decides by it in another's place; a route may be asked for less.
    set(headers, X_FORWARDED_METHOD, method_value(method), onward.trusted);
    if let Ok(target) = HeaderValue::from_str(asked.target.as_str()) {
        set(headers, X_FORWARDED_URI, target, onward.trusted);
    }
    headers.insert(X_REQUEST_ID, onward.id.clone());
    headers.append(VIA, onward.via.line(onward.version));
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue, keep: bool) {
    if !(keep && headers.contains_key(&name)) {
        headers.insert(name, value);
    }
}

/// Methods are tokens, which are valid values.
fn method_value(method: &Method) -> HeaderValue {
    match *method {
        Method::GET => HeaderValue::from_static("GET"),
        Method::POST => HeaderValue::from_static("POST"),
        _ => HeaderValue::from_str(method.as_str()).unwrap_or(HeaderValue::from_static("")),
    }
}

fn address_value(ip: IpAddr) -> HeaderValue {
    // Addresses are always valid header values.
    HeaderValue::from_str(&ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Puts a value behind those that are there, all in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, last: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, last);
        return;
    }
    let mut line = Vec::new();
    for value in headers.get_all(&name) {
        line.extend_from_slice(value.as_bytes());
        line.extend_from_slice(b", ");
    }
    line.extend_from_slice(last.as_bytes());
    // Valid values joined by a comma are one.
    if let Ok(value) = HeaderValue::from_bytes(&line) {
        headers.insert(name, value);
    }
}

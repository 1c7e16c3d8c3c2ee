//! A record as a line.
//!
//! `common` is the Combined Log Format: client, two fields that are always `-` (RFC 1413 identity
//! and user), time, request line, status, bytes of the body, referrer, user agent. What a client
//! wrote is escaped as Apache does: quotes and backslashes by a backslash, control characters and
//! bytes beyond ASCII as `\xHH`; no client can end a line or a field.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use http::{HeaderValue, Version};
use rutter_route::RouteKey;
use serde::{Serialize, Serializer};

use super::clock::Clock;
use super::{AccessLogFormat, Record};

/// Writes one line with its end.
pub(super) fn write(to: &mut Vec<u8>, format: AccessLogFormat, record: &Record, clock: &mut Clock) {
    let at = clock.text(record.at, format);
    match format {
        AccessLogFormat::Common => common(to, record, at),
        AccessLogFormat::Json => json(to, record, at),
    }
    to.push(b'\n');
}

fn common(to: &mut Vec<u8>, record: &Record, at: &str) {
    // Writing to a vector doesn't fail.
    let _infallible = write!(to, "{} - - [{at}] \"", record.client);
    match &record.asked {
        None => to.push(b'-'),
        Some((method, uri, version)) => {
            escape(to, method.as_str().as_bytes());
            to.push(b' ');
            escape(to, target(uri).as_bytes());
            to.push(b' ');
            to.extend_from_slice(protocol(*version).as_bytes());
        }
    }
    let _infallible = write!(to, "\" {} {} \"", record.status.as_u16(), record.bytes_out);
    header(to, record.referer.as_ref());
    to.extend_from_slice(b"\" \"");
    header(to, record.agent.as_ref());
    to.push(b'"');
}

fn header(to: &mut Vec<u8>, value: Option<&HeaderValue>) {
    escape(to, value.map_or(b"-", HeaderValue::as_bytes));
}

fn escape(to: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => to.push(byte),
            _ => {
                let _infallible = write!(to, "\\x{byte:02x}");
            }
        }
    }
}

/// Path and query, or what stands in their place.
fn target(uri: &http::Uri) -> &str {
    uri.path_and_query().map_or("-", http::uri::PathAndQuery::as_str)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// The fields of a JSON line, in their order.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    client: std::net::IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    /// Seconds.
    duration: f64,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_time: Option<f64>,
    sent_upstream: bool,
    complete: bool,
    tried: &'a [smol_str::SmolStr],
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    served: Option<&'a RouteKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'static str>,
    /// `null` on a plain connection, or where the handshake named none.
    tls_server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
}

/// As people write it, without a string in between.
fn shown<S: Serializer>(route: &Option<&RouteKey>, to: S) -> Result<S::Ok, S::Error> {
    match route {
        Some(route) => to.collect_str(route),
        None => to.serialize_none(),
    }
}

fn json(to: &mut Vec<u8>, record: &Record, at: &str) {
    let asked = record.asked.as_ref();
    let seconds = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e6;
    let line = Line {
        time: at,
        client: record.client,
        host: record.host.as_deref(),
        method: asked.map(|(method, _, _)| method.as_str()),
        path: asked.map(|(_, uri, _)| target(uri)),
        protocol: asked.map(|(_, _, version)| protocol(*version)),
        status: record.status.as_u16(),
        bytes_in: record.bytes_in,
        bytes_out: record.bytes_out,
        duration: seconds(record.took),
        upstream_time: record.upstream.map(seconds),
        sent_upstream: record.sent,
        complete: record.whole,
        tried: &record.tried,
        served: record.served.as_ref().map(|route| &route.id.route),
        request_id: record.id.as_ref().and_then(|id| id.to_str().ok()),
        error: record.error,
        tls: record.tls,
        tls_server_name: record.tls_server_name.as_deref(),
        referer: record.referer.as_ref().map(lossy),
        user_agent: record.agent.as_ref().map(lossy),
    };
    // Strings, numbers and lists of them: nothing that JSON can't say, into a vector.
    if let Err(error) = serde_json::to_writer(to, &line) {
        tracing::error!(%error, "a line of the access log");
    }
}

fn lossy(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

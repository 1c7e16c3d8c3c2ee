//! The gateway's numbers.

use rutter_route::ServiceName;

use super::{Problems, edge, health};
use crate::config::resolved::{AccessLog, AccessLogFormat, Gateway, Limits, Upstream};
use crate::config::{Period, raw};

pub(super) fn resolve(raw: &raw::Gateway, domain: &ServiceName, to: &mut Problems) -> Gateway {
    let name = raw.name.clone().unwrap_or_else(|| "gateway".to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(plain);
    to.unless(fits, "gateway.name", "expected 1 to 64 letters, digits, `-`, `_` or `.`");
    let workers = raw.workers.unwrap_or(0);
    to.unless(workers <= 256, "gateway.workers", "expected at most 256");
    let (inbound_mtls_profiles, inbound_mtls_profile) = edge::inbound_mtls(raw, to);
    Gateway {
        name,
        mode: raw.mode.unwrap_or_default(),
        domains: raw.domains.clone().unwrap_or_else(|| vec![domain.clone()]),
        hosts: raw.hosts.clone().unwrap_or_default(),
        short_links: raw.short_links.clone().unwrap_or_default(),
        workers,
        health: health::health(&raw.health.clone().unwrap_or_default(), to),
        outlier_detection: health::outlier_detection(
            &raw.outlier_detection.clone().unwrap_or_default(),
            to,
        ),
        retry_budget: health::retry_budget(&raw.retry_budget.clone().unwrap_or_default(), to),
        limits: limits(&raw.limits.clone().unwrap_or_default(), to),
        upstream: upstream(&raw.upstream.clone().unwrap_or_default(), to),
        tls: raw.tls.clone(),
        certificates: raw.certificates.clone().unwrap_or_default(),
        acme: raw.acme.as_ref().and_then(|raw| super::acme::resolve(raw, to)),
        hsts: raw.hsts.unwrap_or(Period::seconds(0)),
        trusted_proxies: raw.trusted_proxies.clone().unwrap_or_default(),
        acl: edge::acl(&raw.acl.clone().unwrap_or_default(), to),
        proxy_protocol: edge::proxy_protocol(&raw.proxy_protocol.clone().unwrap_or_default(), to),
        inbound_mtls_profiles,
        inbound_mtls_profile,
        streams: edge::streams(&raw.streams.clone().unwrap_or_default(), to),
        access_log: raw.access_log.as_ref().and_then(|log| {
            let format = log.format.unwrap_or(AccessLogFormat::Common);
            Some(AccessLog { file: log.file.clone()?, format })
        }),
        join: super::join::written("gateway", raw.join.as_ref(), raw.join_file.as_ref(), to),
        keep_routes: raw.keep_routes.unwrap_or(Period::seconds(86_400)),
        mesh_router: raw.mesh_router.as_ref().and_then(|raw| super::mesh_router::resolve(raw, to)),
        default_backend: raw
            .default_backend
            .as_ref()
            .and_then(|text| super::mesh_router::default_backend(text, to)),
        read_token_file: raw.read_token_file.clone(),
    }
}

fn limits(raw: &raw::Limits, to: &mut Problems) -> Limits {
    let limits = Limits {
        max_connections: raw.max_connections.unwrap_or(10_000),
        max_connections_per_client: raw.max_connections_per_client.unwrap_or(0),
        max_headers: raw.max_headers.unwrap_or(100),
        max_header_bytes: raw.max_header_bytes.unwrap_or(32 * 1024),
        max_target_bytes: raw.max_target_bytes.unwrap_or(8 * 1024),
        max_body_bytes: raw.max_body_bytes.unwrap_or(0),
        max_streams: raw.max_streams.unwrap_or(100),
        header_timeout: raw.header_timeout.unwrap_or(Period::seconds(60)),
        body_timeout: raw.body_timeout.unwrap_or(Period::seconds(30)),
        send_timeout: raw.send_timeout.unwrap_or(Period::seconds(60)),
        min_rate: raw.min_rate.unwrap_or(500),
        handshake_timeout: raw.handshake_timeout.unwrap_or(Period::seconds(10)),
        drain: raw.drain.unwrap_or(Period::seconds(10)),
        drain_idle: raw.drain_idle.unwrap_or(Period::seconds(1)),
        drain_delay: raw.drain_delay.unwrap_or(Period::seconds(0)),
    };
    let at = |key: &str| format!("gateway.limits.{key}");
    to.unless(limits.max_connections > 0, &at("max_connections"), "expected at least 1");
    to.unless((16..=1024).contains(&limits.max_headers), &at("max_headers"), "expected 16 to 1024");
    to.unless(
        (8192..=1 << 20).contains(&limits.max_header_bytes),
        &at("max_header_bytes"),
        "expected 8192 to 1048576",
    );
    to.unless(
        (64..=limits.max_header_bytes).contains(&limits.max_target_bytes),
        &at("max_target_bytes"),
        "expected 64 to `max_header_bytes`",
    );
    to.unless((1..=1000).contains(&limits.max_streams), &at("max_streams"), "expected 1 to 1000");
    to.more_than_zero(&at("header_timeout"), limits.header_timeout);
    to.more_than_zero(&at("body_timeout"), limits.body_timeout);
    to.more_than_zero(&at("send_timeout"), limits.send_timeout);
    to.more_than_zero(&at("handshake_timeout"), limits.handshake_timeout);
    limits
}

fn upstream(raw: &raw::Upstream, to: &mut Problems) -> Upstream {
    let upstream = Upstream {
        connect_timeout: raw.connect_timeout.unwrap_or(Period::seconds(5)),
        response_timeout: raw.response_timeout.unwrap_or(Period::seconds(300)),
        try_timeout: raw.try_timeout.unwrap_or(Period::seconds(15)),
        timeout: raw.timeout.unwrap_or(Period::seconds(0)),
        slow_start: raw.slow_start.unwrap_or(Period::seconds(0)),
        max_tries: raw.max_tries.unwrap_or(8),
        max_idle: raw.max_idle.unwrap_or(1024),
        max_idle_per_upstream: raw.max_idle_per_upstream.unwrap_or(64),
        idle_timeout: raw.idle_timeout.unwrap_or(Period::seconds(60)),
        roots: raw.roots.clone(),
    };
    let at = |key: &str| format!("gateway.upstream.{key}");
    to.unless((1..=64).contains(&upstream.max_tries), &at("max_tries"), "expected 1 to 64");
    to.more_than_zero(&at("connect_timeout"), upstream.connect_timeout);
    to.more_than_zero(&at("response_timeout"), upstream.response_timeout);
    upstream
}

//! The gateway's words for who is let in, how, and which service a host asks for.

use std::collections::BTreeMap;

use rutter_gateway::{
    AclConfig, HostMatching, MtlsProfile, ProxyProtocolConfig, ProxyProtocolMode, ShortLinkConfig,
    StreamConfig,
};
use smol_str::SmolStr;

use crate::config::{raw, resolved};

pub(super) fn hosts(hosts: &raw::Hosts) -> HostMatching {
    match hosts {
        raw::Hosts::Exact => HostMatching::Exact,
        raw::Hosts::AnyDomain => HostMatching::AnyDomain,
        raw::Hosts::Domains(domains) => HostMatching::Domains(domains.clone()),
    }
}

/// Names without a domain are found under the first of those that hosts are found under.
pub(super) fn short_links(gateway: &resolved::Gateway) -> Option<ShortLinkConfig> {
    let host = gateway.short_links.0.clone()?;
    let suffix = match &gateway.hosts {
        raw::Hosts::Domains(domains) => domains.first().cloned(),
        raw::Hosts::Exact | raw::Hosts::AnyDomain => None,
    };
    Some(ShortLinkConfig { host, suffix })
}

pub(super) fn acl(acl: &resolved::Acl) -> AclConfig {
    AclConfig {
        allow_others: acl.default == raw::Verdict::Allow,
        allow_local: acl.allow_local,
        allow: acl.allow.clone(),
        deny: acl.deny.clone(),
    }
}

pub(super) fn proxy_protocol(proxies: &resolved::ProxyProtocol) -> ProxyProtocolConfig {
    ProxyProtocolConfig {
        mode: match proxies.mode {
            raw::Mode::Off => ProxyProtocolMode::Off,
            raw::Mode::Mixed => ProxyProtocolMode::Mixed,
            raw::Mode::Required => ProxyProtocolMode::Required,
        },
        trusted: proxies.trusted.clone(),
    }
}

pub(super) fn inbound_mtls(
    profiles: &BTreeMap<String, resolved::MtlsProfile>,
) -> BTreeMap<SmolStr, MtlsProfile> {
    let profile = |(name, profile): (&String, &resolved::MtlsProfile)| {
        let resolved::MtlsProfile { ca_files, system_roots } = profile.clone();
        (SmolStr::new(name), MtlsProfile { ca_files, system_roots })
    };
    profiles.iter().map(profile).collect()
}

pub(super) fn streams(streams: &resolved::Streams) -> StreamConfig {
    StreamConfig {
        address: streams.address,
        sni: streams.sni,
        tcp_idle_timeout: streams.tcp_idle_timeout.into(),
        udp_idle_timeout: streams.udp_idle_timeout.into(),
        max_udp_sessions: streams.max_udp_sessions,
    }
}

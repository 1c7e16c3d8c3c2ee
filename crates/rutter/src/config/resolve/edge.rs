//! Who is let into a gateway, how, and which service a host asks for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Problems;
use crate::config::resolved::{Acl, MtlsProfile, ProxyProtocol, Streams};
use crate::config::{Period, Problem, raw};

pub(super) fn acl(raw: &raw::Acl, to: &mut Problems) -> Acl {
    let acl = Acl {
        default: raw.default.unwrap_or_default(),
        allow_local: raw.allow_local.unwrap_or(true),
        allow: raw.allow.clone().unwrap_or_default(),
        deny: raw.deny.clone().unwrap_or_default(),
    };
    let lets_some_in =
        acl.default == raw::Verdict::Allow || acl.allow_local || !acl.allow.is_empty();
    to.unless(lets_some_in, "gateway.acl", "nobody could connect: write something in `allow`");
    acl
}

pub(super) fn proxy_protocol(raw: &raw::ProxyProtocol, to: &mut Problems) -> ProxyProtocol {
    let (mode, trusted) = (raw.mode.unwrap_or_default(), raw.trusted.clone().unwrap_or_default());
    to.unless(
        mode == raw::Mode::Off || !trusted.is_empty(),
        "gateway.proxy_protocol",
        "expected networks in `trusted`: headers are believed from nobody else",
    );
    ProxyProtocol { mode, trusted }
}

/// The profiles, and the one that holds for all.
pub(super) fn inbound_mtls(
    raw: &raw::Gateway,
    to: &mut Problems,
) -> (BTreeMap<String, MtlsProfile>, Option<String>) {
    let mut profiles = BTreeMap::new();
    for (name, raw) in raw.inbound_mtls_profiles.iter().flatten() {
        let profile = MtlsProfile {
            ca_files: raw.ca_files.clone().unwrap_or_default(),
            system_roots: raw.system_roots.unwrap_or(false),
        };
        if profile.ca_files.is_empty() && !profile.system_roots {
            let path = ["gateway", "inbound_mtls_profiles", name].map(str::to_owned).to_vec();
            let problem = Problem::at_path(path, "a profile without a CA lets nobody in");
            to.push(problem.help("write `ca_files: [FILE]` or `system_roots: true`"));
        }
        profiles.insert(name.clone(), profile);
    }
    let all = raw.inbound_mtls_profile.clone();
    if let Some(name) = all.as_ref().filter(|name| !profiles.contains_key(*name)) {
        let message = format!("there is no profile `{name}` in `inbound_mtls_profiles`");
        to.push(Problem::at("gateway.inbound_mtls_profile", message));
    }
    (profiles, all)
}

pub(super) fn streams(raw: &raw::Streams, to: &mut Problems) -> Streams {
    let streams = Streams {
        address: raw.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        sni: raw.sni.unwrap_or(true),
        tcp_idle_timeout: raw.tcp_idle_timeout.unwrap_or(Period::seconds(86_400)),
        udp_idle_timeout: raw.udp_idle_timeout.unwrap_or(Period::seconds(60)),
        max_udp_sessions: raw.max_udp_sessions.unwrap_or(10_000),
    };
    to.more_than_zero("gateway.streams.udp_idle_timeout", streams.udp_idle_timeout);
    streams
}

//! The fabric: whom it speaks with, what it carries, and what has to be signed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rutter_protocol::keys::PublicKey;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::Signing;
use rutter_protocol::wire::Metrics;
use rutter_route::{ClusterId, DestinationKind, TableName, Tags};

use super::Problems;
use super::tables::{FABRIC, usual_kind};
use crate::config::raw::{self, FabricProfile};
use crate::config::resolved::{
    Fabric, FabricKeys, FabricLinks, FabricLiveness, FabricNeighbour, FabricScope, FabricSecurity,
    FabricSigner, Listener,
};
use crate::config::{Period, Problem};

/// How often an end may be asked to say something.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(60);

/// The least time between two advertisements of one destination to a neighbour, unless the file says
/// another: after a cluster's death the search for other ways is thousands of messages without it.
const PACING: Period = Period(Duration::from_millis(100));

/// The most paths of a destination that a neighbour is told.
const MAX_PATHS: u32 = 16;

/// What stands elsewhere in the file for the fabric.
pub(super) fn check_file(file: &raw::File, to: &mut Problems) {
    let Some(fabric) = &file.fabric else { return };
    if file.cluster.is_none() {
        let problem = Problem::at("fabric", "this cluster needs a name that no other has");
        to.push(problem.help("write `cluster: NAME` in the file"));
    }
    let written = file.tables.iter().flatten().find(|(name, _)| name.as_str() == FABRIC);
    if written.is_some_and(|(_, table)| table.policy.is_some()) {
        let path = ["tables", FABRIC, "policy"].map(str::to_owned).to_vec();
        let problem = Problem::at_path(path, "the section `fabric` says the policy of this table");
        to.push(problem.help("leave it out: it stands in `fabric.policy`"));
    }
    if file.data == Some(raw::Data::Off) && fabric.sign_command.is_none() {
        let problem = Problem::at("fabric", "a cluster's key has to be kept, and `data` is off");
        to.push(problem.help("write `data: DIRECTORY`"));
    }
}

pub(super) fn resolve(
    raw: &raw::Fabric,
    own: Option<&ClusterId>,
    forwarded: Option<&Listener>,
    to: &mut Problems,
) -> Fabric {
    let listen = raw.listen.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7072)));
    if let Some(gateway) = &raw.gateway {
        to.unless(is_address(gateway), "fabric.gateway", "expected `HOST:PORT`");
    }
    let policy = raw.policy.clone().unwrap_or_default();
    let neighbours = neighbours(raw, own, to);
    let fabric = Fabric {
        listen,
        gateway: raw.gateway.clone().or_else(|| reachable(forwarded?)),
        tags: tags(raw.tags.as_deref()).unwrap_or_else(|why| {
            to.at("fabric.tags", why);
            Tags::default()
        }),
        security: security(raw, to),
        scopes: scopes(raw, &policy, to),
        liveness: liveness(&raw.liveness.clone().unwrap_or_default(), to),
        links: links(&raw.links.clone().unwrap_or_default()),
        signer: signer(raw, to),
        keys: keys(&raw.keys.clone().unwrap_or_default(), to),
        restart: raw.restart.unwrap_or(Period::seconds(30)),
        max_restart: raw.max_restart.unwrap_or(Period::seconds(120)),
        forget: raw.forget.unwrap_or(Period::seconds(600)),
        fallback: raw.fallback.unwrap_or_default(),
        neighbours,
        policy,
    };
    let hour = Duration::from_secs(3600);
    to.unless(fabric.restart.0 <= hour, "fabric.restart", "expected at most 60m");
    to.unless(fabric.max_restart.0 <= hour, "fabric.max_restart", "expected at most 60m");
    to.more_than_zero("fabric.forget", fabric.forget);
    check_policy(&fabric, own, to);
    fabric
}

/// Where a listener is reached, if its address says so.
fn reachable(listener: &Listener) -> Option<String> {
    let at = listener.address;
    (!at.ip().is_unspecified() && at.port() > 0).then(|| at.to_string())
}

/// Whom a policy names is there, and it is compiled as it will be.
fn check_policy(fabric: &Fabric, own: Option<&ClusterId>, to: &mut Problems) {
    for (name, of_whom) in [
        ("policy.neighbours", fabric.policy.neighbours.keys().collect::<Vec<_>>()),
        ("policy.carry", fabric.policy.carry.values().flat_map(|s| s.neighbours.keys()).collect()),
    ] {
        if let Some(stranger) = of_whom.iter().find(|c| !fabric.neighbours.contains_key(*c)) {
            let problem =
                Problem::at(&format!("fabric.{name}"), format!("`{stranger}` is no neighbour"));
            to.push(problem.help("write it under `fabric.neighbours`, or leave it out here"));
        }
    }
    let (Some(own), Ok(scope)) = (own, FABRIC.parse::<TableName>()) else { return };
    let links = fabric.neighbours.iter().map(|(n, is)| (n.clone(), is.link)).collect();
    if let Err(error) = fabric.policy.compile(own, &scope, &links) {
        to.at(&format!("fabric.policy.{}", error.field), error.why);
    }
}

/// Where something of a neighbour stands: its name may have dots.
struct At<'a>(&'a ClusterId);

impl At<'_> {
    fn unless(&self, holds: bool, key: &str, message: &str, to: &mut Problems) {
        if !holds {
            let keys = key.split('.').filter(|step| !step.is_empty());
            let path = ["fabric", "neighbours", self.0.as_str()].into_iter().chain(keys);
            to.push(Problem::at_path(path.map(str::to_owned).collect(), message));
        }
    }
}

fn neighbours(
    raw: &raw::Fabric,
    own: Option<&ClusterId>,
    to: &mut Problems,
) -> BTreeMap<ClusterId, FabricNeighbour> {
    let all = raw.neighbours.iter().flatten();
    all.map(|(name, raw)| (name.clone(), neighbour(name, raw, own, to))).collect()
}

fn neighbour(
    name: &ClusterId,
    raw: &raw::FabricNeighbour,
    own: Option<&ClusterId>,
    to: &mut Problems,
) -> FabricNeighbour {
    let at = At(name);
    let other = own != Some(name);
    at.unless(other, "", "this is the cluster's own name, and a neighbour has another", to);
    let addresses = raw.addresses.clone().unwrap_or_default();
    for (n, one) in addresses.iter().enumerate() {
        at.unless(is_address(one), &format!("addresses.{n}"), "expected `HOST:PORT`", to);
    }
    let mut keys = Vec::new();
    for (n, text) in raw.keys.iter().flatten().enumerate() {
        let key: Option<PublicKey> = text.parse().ok();
        at.unless(key.is_some(), &format!("keys.{n}"), KEY, to);
        keys.extend(key);
    }
    let warn = raw.warn_percent.unwrap_or(80);
    at.unless((1..=100).contains(&warn), "warn_percent", "expected 1 to 100", to);
    let paths = raw.paths.unwrap_or(1);
    at.unless((1..=MAX_PATHS).contains(&paths), "paths", "expected 1 to 16", to);
    let max_routes = raw.max_routes.unwrap_or(1_000_000);
    at.unless(max_routes > 0, "max_routes", "expected at least 1", to);
    let tags = tags(raw.tags.as_deref()).unwrap_or_else(|why| {
        at.unless(false, "tags", &why, to);
        Tags::default()
    });
    FabricNeighbour {
        addresses,
        keys,
        next_hop: raw.next_hop.clone(),
        tags,
        max_routes,
        warn_percent: u8::try_from(warn).unwrap_or(80),
        pacing: raw.pacing.unwrap_or(PACING),
        paths: u8::try_from(paths).unwrap_or(1),
        link: link(&raw.link.clone().unwrap_or_default(), &at, to),
    }
}

fn link(raw: &raw::FabricLink, at: &At<'_>, to: &mut Problems) -> Metrics {
    let reliability_ppm = raw.reliability_ppm.unwrap_or(1_000_000);
    let fits = reliability_ppm <= 1_000_000;
    at.unless(fits, "link.reliability_ppm", "expected at most 1000000", to);
    Metrics {
        hops: 1,
        latency_us: raw.latency.map_or(0, Period::micros),
        bandwidth_kbps: raw.bandwidth_kbps.unwrap_or(0),
        reliability_ppm,
        cost: raw.cost.unwrap_or(0),
    }
}

fn security(raw: &raw::Fabric, to: &mut Problems) -> FabricSecurity {
    let signed = raw.profile.unwrap_or_default() == FabricProfile::Signed;
    let raw = raw.security.clone().unwrap_or_default();
    let sign = if signed { Signing::Batch } else { Signing::Off };
    let security = FabricSecurity {
        require_signatures: raw.require_signatures.unwrap_or(signed),
        require_claims: raw.require_claims.unwrap_or(signed),
        sign: raw.sign.unwrap_or(sign),
        clock_skew: raw.clock_skew.unwrap_or(Period::seconds(300)),
        claim_life: raw.claim_life.unwrap_or(Period::seconds(24 * 3600)),
        key_overlap: raw.key_overlap.unwrap_or(Period::seconds(60)),
    };
    let least = Period(security.clock_skew.0.saturating_mul(3));
    if security.claim_life < least {
        let (life, skew) = (security.claim_life, security.clock_skew);
        let path = match raw.claim_life {
            Some(_) => "fabric.security.claim_life",
            None => "fabric.security.clock_skew",
        };
        let message =
            format!("a claim that counts for {life} may have ended where a clock is {skew} ahead");
        to.push(
            Problem::at(path, message).help(format!("write a `claim_life` of at least {least}")),
        );
    }
    security
}

/// The scopes that policy carries, and the tables that they are here.
fn scopes(
    raw: &raw::Fabric,
    policy: &FabricPolicy,
    to: &mut Problems,
) -> BTreeMap<TableName, FabricScope> {
    let mut scopes = BTreeMap::new();
    if let Ok(own) = FABRIC.parse::<TableName>() {
        let scope = FabricScope { table: own.clone(), kind: DestinationKind::Cluster };
        scopes.insert(own, scope);
    }
    let written = raw.scopes.clone().unwrap_or_default();
    for scope in policy.carry.keys() {
        if scope.as_str() == FABRIC {
            let message = "this table is carried by itself: its policy stands beside `carry`";
            to.at("fabric.policy.carry", message);
            continue;
        }
        let table = written.get(scope).unwrap_or(scope).clone();
        match usual_kind(table.as_str()) {
            Some(kind @ (DestinationKind::Service | DestinationKind::Prefix))
                if !table.as_str().starts_with("gateway/") && table.as_str() != "nodes" =>
            {
                scopes.insert(scope.clone(), FabricScope { table, kind });
            }
            _ => {
                let message =
                    format!("`{table}` isn't carried: expected `services` or `overlay/N`");
                to.at("fabric.policy.carry", message);
            }
        }
    }
    for scope in written.keys().filter(|scope| !policy.carry.contains_key(*scope)) {
        let message = format!("`{scope}` isn't carried");
        let problem = Problem::at("fabric.scopes", message);
        to.push(problem.help("write it under `fabric.policy.carry`, or leave it out here"));
    }
    scopes
}

fn liveness(raw: &raw::FabricLiveness, to: &mut Problems) -> FabricLiveness {
    let interval = raw.interval.unwrap_or(Period(Duration::from_millis(250)));
    let misses = raw.misses.unwrap_or(3);
    let often = INTERVALS.contains(&interval.0);
    to.unless(often, "fabric.liveness.interval", "expected 50ms to 60s");
    to.unless((2..=100).contains(&misses), "fabric.liveness.misses", "expected 2 to 100");
    FabricLiveness { interval, misses }
}

fn links(raw: &raw::FabricLinks) -> FabricLinks {
    FabricLinks {
        measure: raw.measure.unwrap_or(true),
        latency_band_percent: raw.latency_band_percent.unwrap_or(25),
        latency_band: raw.latency_band.unwrap_or(Period(Duration::from_millis(1))),
        reliability_band_ppm: raw.reliability_band_ppm.unwrap_or(20_000),
        hold: raw.hold.unwrap_or(Period::seconds(5)),
    }
}

fn signer(raw: &raw::Fabric, to: &mut Problems) -> FabricSigner {
    let sign_command = raw.sign_command.clone().unwrap_or_default();
    let sign_key: Option<PublicKey> = raw.sign_key.as_ref().and_then(|key| key.parse().ok());
    to.unless(raw.sign_key.is_some() == sign_key.is_some(), "fabric.sign_key", KEY);
    match (sign_command.is_empty(), raw.sign_key.is_some()) {
        (false, false) => to.push(
            Problem::at("fabric.sign_command", "by which key does it sign?")
                .help("write `sign_key: HEX`, its public half"),
        ),
        (true, true) => to.push(
            Problem::at("fabric.sign_key", "there is no `sign_command` that signs by it")
                .help("leave it out: the public half of `key` is known"),
        ),
        _ => {}
    }
    if !sign_command.is_empty() && raw.key.is_some() {
        let problem = Problem::at("fabric.key", "`sign_command` signs, so there is no key file");
        to.push(problem.help("leave one of the two out"));
    }
    FabricSigner { key: raw.key.clone(), sign_command, sign_key }
}

fn keys(raw: &raw::FabricKeys, to: &mut Problems) -> FabricKeys {
    let keys = FabricKeys {
        files: raw.files.clone().unwrap_or_default(),
        directories: raw.directories.clone().unwrap_or_default(),
        command: raw.command.clone().unwrap_or_default(),
        urls: raw.urls.clone().unwrap_or_default(),
        refresh: raw.refresh.unwrap_or(Period::seconds(60)),
    };
    for (n, url) in keys.urls.iter().enumerate() {
        let fits = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        to.unless(fits, &format!("fabric.keys.urls.{n}"), "expected `https://...`");
    }
    let often = Period::seconds(1) <= keys.refresh && keys.refresh <= Period::seconds(86_400);
    to.unless(often, "fabric.keys.refresh", "expected 1s to 1d");
    keys
}

fn tags(raw: Option<&[String]>) -> Result<Tags, String> {
    let mut tags = Tags::default();
    for text in raw.unwrap_or_default() {
        let tag = text.parse().and_then(|tag| tags.insert(tag));
        tag.map_err(|error| error.to_string())?;
    }
    Ok(tags)
}

/// What a key that is written looks like.
const KEY: &str = "expected an Ed25519 public key, 64 hexadecimal digits";

/// `HOST:PORT`.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.starts_with('[') && host.ends_with(']') || !host.contains(':');
        !host.is_empty() && bare && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

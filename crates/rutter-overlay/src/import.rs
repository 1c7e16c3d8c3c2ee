//! What of its peers' routes an overlay takes: the import policy of its table.
//!
//! A configuration says `accept_all`, `allow` and `deny`; a table asks an ordered list of rules.
//! This module writes the one as the other, one rule a network, so that `explain` names the very
//! line that refused a route. Beside it only a loop, a bound and a next hop that nobody knows refuse.
//!
//! ```text
//!   not ours to take ─▶ unusable next hop ─▶ relayed ─▶ deny ─▶ accept_all ─▶ allow ─▶ refused
//!                                                        └── the order is a choice ──┘
//! ```
//!
//! - **Ours** come first, whatever the configuration says: a peer that announces this host's own
//!   networks, or a way that leads back to this host, would have it cut itself off.
//! - **relayed** routes come through another host than their own. A full mesh takes none, and where
//!   direct ways are preferred they are a reserve, or none without `relay_fallback`.
//! - **deny** matches by overlap, so a wider route can't bring in what a narrower line keeps out.
//!   A default route in it means only itself: by overlap it would refuse everything, which is what
//!   the original does with the very example of its documentation.
//! - **allow** matches what lies in a network; what is wider isn't covered by it.
//! - The order is n-netman's as it runs; as it is documented, `accept_all` goes first.
//!   [`differences`] says for which networks that matters.

use std::net::IpAddr;
use std::time::Duration;

use rutter_rib::{
    Action, Bounds, Damping, HopKind, Match, PathListMatch, Policy, PrefixMatch, Rule, Rules,
    Stability, TableSpec, Then,
};
use rutter_route::{Attributes, DestinationKind, NextHop, PolicyTrace, Prefix, SourceInfo};

use crate::own::own_source;
use crate::{Import, ImportOrder, Overlay, OverlayConfig, PeerName, Topology, TopologyMode, Vni};

/// What is this host's own, and so nobody else's to announce.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// Its addresses: no next hops of others' routes.
    pub addresses: Vec<IpAddr>,
    /// Networks that it is in: neither they nor parts of them are announced by others.
    pub connected: Vec<Prefix>,
    /// Networks that it announces: others may announce parts of them, but not the same.
    pub announced: Vec<Prefix>,
}

impl Own {
    /// What the configuration tells of it.
    pub fn of(overlay: &Overlay) -> Self {
        let addresses = &overlay.bridge.addresses;
        Self {
            addresses: addresses.iter().map(crate::InterfaceAddress::address).collect(),
            connected: addresses.iter().map(crate::InterfaceAddress::network).collect(),
            announced: overlay.export.networks.clone(),
        }
    }
}

/// Networks that lead nowhere but to the host itself, or to many: no routes, and no next hops.
const UNUSABLE: [&str; 7] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "ff00::/8",
];

/// Networks that no router forwards to, beside those: each link has its own.
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];

/// So many own networks have a rule each; more have one together, since a list of rules has a bound.
const NAMED_OWN: usize = 256;

/// The most peers of an overlay, unlisted ones too.
const PEERS: usize = 4096;

/// How long the way of a peer that withdrew it is held, unless it is the only one.
const HOLD_DOWN: Duration = Duration::from_secs(2);

/// The preference of what others relay where direct ways come first.
const RESERVE: u32 = 50;

/// The policy of an overlay's table.
pub fn policy(config: &OverlayConfig, overlay: &Overlay, own: &Own) -> Policy {
    let mut import = rules(&overlay.import, own);
    let at = import.rules.len() - configured(&overlay.import).len();
    // Behind what is never taken, before what is configured.
    import.rules.splice(at..at, relayed(&config.topology));
    // What this host says itself is asked nothing.
    let open = Rules { rules: Vec::new(), default: Some(Action::Accept) };
    Policy {
        import,
        import_of: [(own_source().to_string(), open)].into(),
        stability: Stability {
            hold_down: HOLD_DOWN,
            spare_sole: true,
            damping: Some(Damping::default()),
            flap_limit: None,
        },
        // The kernel looks further where an overlay's table has nothing that works.
        fall_through: true,
        // A peer is a next hop until its own address is known.
        resolve: vec![HopKind::Peer],
        bounds: Bounds { sources: PEERS, per_source: config.max_prefixes, ..Bounds::default() },
        ..Policy::default()
    }
}

/// The tables of all overlays, for the book.
pub fn tables(config: &OverlayConfig) -> Vec<TableSpec> {
    let table = |(vni, overlay): (&Vni, &Overlay)| TableSpec {
        name: vni.table(),
        kind: DestinationKind::Prefix,
        policy: policy(config, overlay, &Own::of(overlay)),
    };
    config.overlays.iter().map(table).collect()
}

/// What becomes of routes that come through another host than their own.
fn relayed(topology: &Topology) -> Option<Rule> {
    // The first step is the peer that tells.
    let through_another = PathListMatch { longer_than: Some(1), ..PathListMatch::default() };
    let matches = Match { path_list: Some(through_another), ..Match::default() };
    let rule = |name: &str, then| Some(Rule { name: name.into(), matches, then });
    match topology.mode {
        TopologyMode::FullMesh => rule("relayed in a full mesh", then(Action::Deny)),
        TopologyMode::DirectPreferred if topology.relay_fallback => {
            rule("relayed: a reserve", Then { preference: Some(RESERVE), ..then(Action::Next) })
        }
        TopologyMode::DirectPreferred => rule("relayed without fallback", then(Action::Deny)),
        TopologyMode::HubSpoke | TopologyMode::Static => None,
    }
}

/// The rules of an import.
pub fn rules(import: &Import, own: &Own) -> Rules {
    let mut rules = hygiene(own);
    rules.extend(configured(import));
    Rules { rules, default: None }
}

/// What the configuration says, in its order.
fn configured(import: &Import) -> Vec<Rule> {
    let mut rules = Vec::new();
    let accept_all = || {
        let all = Rule {
            name: "accept_all".into(),
            matches: Match::default(),
            then: then(Action::Accept),
        };
        import.accept_all.then_some(all)
    };
    match import.order {
        ImportOrder::DenyFirst => {
            rules.extend(import.deny.iter().map(denied));
            rules.extend(accept_all());
        }
        ImportOrder::AcceptAllFirst => {
            rules.extend(accept_all());
            rules.extend(import.deny.iter().map(denied));
        }
    }
    rules.extend(import.allow.iter().map(|prefix| {
        let inside = PrefixMatch::OrLonger(vec![*prefix]);
        on_prefix(format!("allow {prefix}"), inside, Action::Accept)
    }));
    let rest = then(Action::Deny);
    rules.push(Rule { name: "not in allow".into(), matches: Match::default(), then: rest });
    rules
}

/// A network whose fate hangs on the order of the import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub prefix: Prefix,
    /// What becomes of it as n-netman runs.
    pub running: PolicyTrace,
    /// What would become of it as n-netman is documented.
    pub documented: PolicyTrace,
}

/// Of these networks, those that one order takes and the other doesn't.
pub fn differences(
    import: &Import,
    own: &Own,
    prefixes: impl IntoIterator<Item = Prefix>,
) -> Vec<Difference> {
    let [running, documented] = [ImportOrder::DenyFirst, ImportOrder::AcceptAllFirst]
        .map(|order| rules(&Import { order, ..import.clone() }, own));
    let both = |prefix| Difference {
        prefix,
        running: judge(&running, &prefix),
        documented: judge(&documented, &prefix),
    };
    let differs = |d: &Difference| d.running.accepted != d.documented.accepted;
    prefixes.into_iter().map(both).filter(differs).collect()
}

/// What becomes of a network that some peer announces by a usable next hop.
fn judge(rules: &Rules, prefix: &Prefix) -> PolicyTrace {
    #[allow(clippy::expect_used, reason = "a literal that parses")]
    let anyone: PeerName = "anyone".parse().expect("`anyone` is a peer's name");
    // A next hop without an address is nobody's own.
    let attributes = Attributes::via(NextHop::Discard);
    rules.judge(prefix, &anyone.source(), &SourceInfo::default(), attributes)
}

/// What is refused whatever the configuration says.
fn hygiene(own: &Own) -> Vec<Rule> {
    let deny = |name: String, prefix| on_prefix(name, prefix, Action::Deny);
    let mut rules = Vec::new();
    match own.announced.len() {
        0..=NAMED_OWN => rules.extend(own.announced.iter().map(|prefix| {
            deny(format!("own network {prefix}"), PrefixMatch::Exact(vec![*prefix]))
        })),
        _ => rules.push(deny("own network".into(), PrefixMatch::Exact(own.announced.clone()))),
    }
    for prefix in &own.connected {
        let inside = PrefixMatch::OrLonger(vec![*prefix]);
        rules.push(deny(format!("own connected network {prefix}"), inside));
    }
    let nowhere = || networks(&UNUSABLE).chain(networks(&LINK_LOCAL)).collect();
    rules.push(deny("not a network to route".into(), PrefixMatch::OrLonger(nowhere())));
    let hop = |name: &str, next_hop: Vec<Prefix>| Rule {
        name: name.into(),
        matches: Match { next_hop, ..Match::default() },
        then: then(Action::Deny),
    };
    let own_hops: Vec<Prefix> = own.addresses.iter().copied().map(Prefix::host).collect();
    if !own_hops.is_empty() {
        rules.push(hop("next hop is this host", own_hops));
    }
    rules.push(hop("next hop is not a router's address", networks(&UNUSABLE).collect()));
    rules
}

/// Literals that parse; a test sees that all are there.
fn networks<'t>(texts: &'t [&str]) -> impl Iterator<Item = Prefix> + 't {
    texts.iter().filter_map(|text| text.parse().ok())
}

fn denied(prefix: &Prefix) -> Rule {
    let matches = match prefix.is_default() {
        true => PrefixMatch::Exact(vec![*prefix]),
        false => PrefixMatch::Overlap(vec![*prefix]),
    };
    on_prefix(format!("deny {prefix}"), matches, Action::Deny)
}

fn on_prefix(name: String, prefix: PrefixMatch, action: Action) -> Rule {
    Rule { name, matches: Match { prefix: Some(prefix), ..Match::default() }, then: then(action) }
}

fn then(action: Action) -> Then {
    Then { action, ..Then::default() }
}

#[cfg(test)]
mod tests;

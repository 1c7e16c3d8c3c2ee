//! What of its peers' routes an overlay takes: the import policy of its table.
//!
//! A configuration says `accept_all`, `allow` and `deny`; a table asks an ordered list of rules.
//! This module writes the one as the other, one rule a network, so that `explain` names the very
//! line that refused a route. Nothing else refuses routes.
//!
//! ```text
//!   not ours to take ─▶ unusable next hop ─▶ deny ─▶ accept_all ─▶ allow ─▶ refused
//!                                             └── the order is a choice ──┘
//! ```
//!
//! - **Ours** come first, whatever the configuration says: a peer that announces this host's own
//!   networks, or a way that leads back to this host, would have it cut itself off.
//! - **deny** matches by overlap, so a wider route can't bring in what a narrower line keeps out.
//!   A default route in it means only itself: by overlap it would refuse everything, which is what
//!   the original does with the very example of its documentation.
//! - **allow** matches what lies in a network; what is wider isn't covered by it.
//! - The order is n-netman's as it runs; as it is documented, `accept_all` goes first.
//!   [`differences`] says for which networks that matters.

use std::net::IpAddr;

use rutter_rib::{
    Action, Bounds, HopKind, Match, Policy, PrefixMatch, Rule, Rules, TableSpec, Then,
};
use rutter_route::{Attributes, DestinationKind, NextHop, PolicyTrace, Prefix, SourceInfo};

use crate::{Import, ImportOrder, Overlay, OverlayConfig, PeerName, Vni};

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

/// The most peers of an overlay, unlisted ones too, and the most prefixes of each, refused ones too:
/// over it the newcomer is refused.
const PEERS: usize = 4096;
const PREFIXES: usize = 200_000;

/// The policy of an overlay's table.
pub fn policy(overlay: &Overlay, own: &Own) -> Policy {
    Policy {
        import: rules(&overlay.import, own),
        // The kernel looks further where an overlay's table has nothing that works.
        fall_through: true,
        // A peer is a next hop until its own address is known.
        resolve: vec![HopKind::Peer],
        bounds: Bounds { sources: PEERS, per_source: PREFIXES, ..Bounds::default() },
        ..Policy::default()
    }
}

/// The tables of all overlays, for the book.
pub fn tables(config: &OverlayConfig) -> Vec<TableSpec> {
    let table = |(vni, overlay): (&Vni, &Overlay)| TableSpec {
        name: vni.table(),
        kind: DestinationKind::Prefix,
        policy: policy(overlay, &Own::of(overlay)),
    };
    config.overlays.iter().map(table).collect()
}

/// The rules of an import.
pub fn rules(import: &Import, own: &Own) -> Rules {
    let mut rules = hygiene(own);
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
    Rules { rules, default: None }
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
    for prefix in &own.announced {
        rules.push(deny(format!("own network {prefix}"), PrefixMatch::Exact(vec![*prefix])));
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

//! Which packets are looked up in an overlay's table.
//!
//! ```text
//!    90  to OWN            main          what is this host's, or leads to a peer, stays in main
//!   100  iif BRIDGE        TABLE         n-netman's own two, as it prints them
//!   101  oif BRIDGE        TABLE
//!  47xx  to ALLOWED        TABLE         and all others: of this host, of any other network of it
//! 32766  all               main
//! ```
//!
//! n-netman's two send to the table what comes from the bridge, and what a socket on the bridge
//! sends. A packet that the host makes itself, or that comes from another of its networks, sees main
//! alone there, and finds nothing. So there is one rule more for each network that may be learned at
//! all (`allow`, or everything with `accept_all`), behind n-netman's, at 4700 and the table's number:
//! before main, or a default route would take the packet.
//!
//! Before both stands a guard. Tables are asked in order and not by the longest prefix, so a learned
//! 10.0.0.0/8 would take this host's own 10.1.0.0/16 away, and the way to a peer at 10.2.0.1 with it,
//! after which nothing is learned any more. What of its own networks and its peers' addresses may be
//! covered by a learned network is asked of main first. The guard is the same for all overlays of a
//! host and each sink wants it, so it stands until the last one ends.
//!
//! Bounds: [`FEW`] networks of each sort, neighbouring ones joined. Who may learn from more has one rule
//! for all packets; of more own networks none is guarded but the peers', and the log says so.
//!
//! `lookup_rules.mode: prefix` leaves n-netman's two out: a network's rule says by itself who it is
//! for. Without lookup rules there are none: the operator has rules of his own.

use std::collections::BTreeSet;

use rutter_kernel::{Family, LinkName, Rule, Verdict};
use rutter_overlay::{Lookup, Overlay, OverlayConfig};
use rutter_route::Prefix;

/// Where the guard stands.
pub(super) const GUARD: u32 = 90;
/// n-netman's.
const INPUT: u32 = 100;
const OUTPUT: u32 = 101;
/// And the table's number.
const LEARNED: u32 = 4700;
/// The table that everything else is in.
const MAIN: u32 = 254;

/// Rules of one sort.
const FEW: usize = 250;

/// The rules of an overlay's table.
pub(super) fn of(config: &OverlayConfig, overlay: &Overlay) -> anyhow::Result<BTreeSet<Rule>> {
    let Some(lookup) = overlay.install.lookup else { return Ok(BTreeSet::new()) };
    let table = overlay.install.table.get();
    let mut rules = guard(config);
    if lookup == Lookup::Interface {
        let bridge: LinkName = overlay.bridge.name.as_str().parse()?;
        for family in [Family::V4, Family::V6] {
            let rule = |priority| Rule::new(family, priority, Verdict::Table(table));
            rules.insert(Rule { input: Some(bridge.clone()), ..rule(INPUT) });
            rules.insert(Rule { output: Some(bridge.clone()), ..rule(OUTPUT) });
        }
    }
    rules.extend(learned(overlay).into_iter().map(|prefix| {
        let rule = Rule::new(family(&prefix), LEARNED + table, Verdict::Table(table));
        to(rule, prefix)
    }));
    Ok(rules)
}

/// What an overlay may learn: all that it does learn lies in one of these.
fn learned(overlay: &Overlay) -> BTreeSet<Prefix> {
    let allowed = joined(overlay.import.allow.iter().copied().collect());
    match overlay.import.accept_all || allowed.len() > FEW {
        true => everything().collect(),
        false => allowed,
    }
}

/// The same addresses in as few networks as can be.
fn joined(mut networks: BTreeSet<Prefix>) -> BTreeSet<Prefix> {
    loop {
        let before = networks.len();
        let mut fewer: Vec<Prefix> = Vec::with_capacity(before);
        // A network comes right before what lies in it, and the first half of one before the second.
        let mut sorted: Vec<Prefix> = networks.into_iter().collect();
        sorted.sort_by_key(|network| {
            (network.is_v4(), network.mapped_bits(), network.mapped_length())
        });
        for network in sorted {
            match fewer.last_mut() {
                Some(last) if last.contains(&network) => {}
                Some(last) => match whole(last, &network) {
                    Some(whole) => *last = whole,
                    None => fewer.push(network),
                },
                None => fewer.push(network),
            }
        }
        networks = fewer.into_iter().collect();
        if networks.len() == before {
            return networks;
        }
    }
}

/// The network of which these are the two halves, if they are.
fn whole(first: &Prefix, second: &Prefix) -> Option<Prefix> {
    let length = first.length().checked_sub(1)?;
    let same = first.length() == second.length() && first.is_v4() == second.is_v4();
    let whole = Prefix::truncated(first.address(), length).ok()?;
    (same && whole.contains(second)).then_some(whole)
}

fn everything() -> impl Iterator<Item = Prefix> {
    // Literals that parse; a test sees that both are there.
    ["0.0.0.0/0", "::/0"].into_iter().filter_map(|text| text.parse().ok())
}

/// What a learned network could take away, and may not.
fn guard(config: &OverlayConfig) -> BTreeSet<Rule> {
    let looked_up = || config.overlays.values().filter(|o| o.install.lookup.is_some());
    let learned: BTreeSet<Prefix> = looked_up().flat_map(learned).collect();
    let bridges = config.overlays.values().flat_map(|overlay| &overlay.bridge.addresses);
    let announced = config.overlays.values().flat_map(|overlay| &overlay.export.networks);
    let own = bridges.map(rutter_overlay::InterfaceAddress::network).chain(announced.copied());
    let peers = config.peers.iter().map(|peer| Prefix::host(peer.address));
    let could_be = |prefix: &Prefix| learned.iter().any(|learned| learned.overlaps(prefix));
    let mut own = joined(own.filter(could_be).collect());
    if own.len() > FEW {
        tracing::warn!(
            n = own.len(),
            "too many own networks: a wider one that is learned may hide them"
        );
        own.clear();
    }
    let peers = joined(peers.filter(could_be).collect());
    let guarded = own.into_iter().chain(peers.into_iter().take(FEW));
    let rule = |prefix: Prefix| to(Rule::new(family(&prefix), GUARD, Verdict::Table(MAIN)), prefix);
    guarded.map(rule).collect()
}

fn family(prefix: &Prefix) -> Family {
    if prefix.is_v4() { Family::V4 } else { Family::V6 }
}

/// The kernel knows no selector of everything.
fn to(rule: Rule, prefix: Prefix) -> Rule {
    Rule { to: (!prefix.is_default()).then_some(prefix), ..rule }
}

#[cfg(test)]
mod tests {
    use rutter_overlay::compat::nnetman::config;

    use super::*;

    fn shown(install: &str, import: &str, peer: &str) -> Vec<String> {
        let text = format!(
            "version: 2\nnode: {{id: a}}\noverlays:\n  - vni: 100\n    name: vx100\n    \
             bridge: {{name: br-prod, ipv4: 10.100.0.1/24}}\n    routing:\n      \
             export: {{networks: [172.16.10.0/24]}}\n      import: {{{import}, install: {{{install}}}}}\n\
             peers: [{{id: b, endpoint: {{address: {peer}}}}}]\n"
        );
        let config = config::read("netman.yaml", &text).unwrap().config;
        let overlay = config.overlays.values().next().unwrap();
        of(&config, overlay).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn n_netmans_two_stand_where_it_has_them_and_ours_around_them() {
        let rules = shown(
            "table: 100, lookup_rules: {enabled: true}",
            "allow: [172.16.0.0/16, '2001:db8::/32']",
            "10.66.0.2",
        );
        let v4 = [
            "rule 90 to 172.16.10.0/24 lookup 254",
            "rule 100 iif br-prod lookup 100",
            "rule 101 oif br-prod lookup 100",
            "rule 4800 to 172.16.0.0/16 lookup 100",
        ];
        let v6 = [
            "rule 100 iif br-prod lookup 100",
            "rule 101 oif br-prod lookup 100",
            "rule 4800 to 2001:db8::/32 lookup 100",
        ];
        assert_eq!(rules, [&v4[..], &v6[..]].concat());
    }

    #[test]
    fn what_a_learned_network_could_cover_is_asked_of_main_first() {
        let rules = shown(
            "table: 7, lookup_rules: {enabled: true, mode: prefix}",
            "accept_all: true",
            "10.66.0.2",
        );
        let expected = [
            "rule 90 to 10.66.0.2/32 lookup 254",
            "rule 90 to 10.100.0.0/24 lookup 254",
            "rule 90 to 172.16.10.0/24 lookup 254",
            "rule 4707 lookup 7",
            "rule 4707 lookup 7",
        ];
        let mut sorted = rules.clone();
        sorted.sort();
        let mut wanted: Vec<_> = expected.iter().map(|rule| (*rule).to_owned()).collect();
        wanted.sort();
        assert_eq!(sorted, wanted);
    }

    #[test]
    fn neighbouring_networks_are_joined() {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let many: BTreeSet<Prefix> =
            (0..=255).map(|n| format!("10.1.{n}.0/24").parse().unwrap()).collect();
        assert_eq!(joined(many), networks(&["10.1.0.0/16"]));
        let given =
            ["10.0.0.0/9", "10.128.0.0/9", "10.3.0.0/16", "192.0.2.0/25", "fd00::/9", "fd80::/9"];
        assert_eq!(joined(networks(&given)), networks(&["10.0.0.0/8", "192.0.2.0/25", "fd00::/8"]));
        // Neighbours that are no halves of one.
        let apart = ["10.1.0.0/16", "10.2.0.0/16"];
        assert_eq!(joined(networks(&apart)), networks(&apart));
    }

    #[test]
    fn without_lookup_rules_there_are_none() {
        assert!(shown("table: 100", "accept_all: true", "10.66.0.2").is_empty());
    }
}

//! The rules that keep packets from passing. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_BRIDGES, MAX_OWN, MAX_PAIRS, TransitSpec};
use crate::hop::LinkName;
use crate::rules::{Family, Rule, Verdict};
use crate::wire::{NftChain, NftRule, NftVerdict};

/// The kernel's table `main`.
const MAIN: u32 = 254;

/// Why a spec can't be followed.
pub(super) fn mistake(spec: &TransitSpec) -> Option<String> {
    let over = |n: usize, most: usize, what: &str| {
        (n > most).then(|| format!("there are {n} {what}, and {most} at most"))
    };
    over(spec.bridges.len(), MAX_BRIDGES, "bridges of overlays")
        .or_else(|| over(spec.allowed.len(), MAX_PAIRS, "allowed pairs"))
        .or_else(|| over(spec.own.len(), MAX_OWN, "own networks"))
}

/// The rules of our table. `macs` are the addresses of bridges that are there.
pub(super) fn nft(spec: &TransitSpec, macs: &BTreeMap<String, [u8; 6]>) -> Vec<NftRule> {
    let rule = |chain, input: Option<&LinkName>, output: Option<&LinkName>, verdict| NftRule {
        input: input.map(ToString::to_string),
        output: output.map(ToString::to_string),
        ..NftRule::new(chain, verdict)
    };
    let mut rules = Vec::new();
    for bridge in &spec.bridges {
        let verdict = NftVerdict::AskFromOverlay;
        rules.push(rule(NftChain::Forward, Some(bridge), None, verdict));
    }
    for (from, to) in &spec.allowed {
        let verdict = NftVerdict::Accept;
        rules.push(rule(NftChain::FromOverlay, Some(from), Some(to), verdict));
    }
    for bridge in &spec.bridges {
        // A frame that crosses the bridge isn't routed.
        let mac = macs.get(bridge.as_str()).copied();
        if mac.is_some() {
            let verdict = NftVerdict::Accept;
            let crossing = rule(NftChain::FromOverlay, Some(bridge), Some(bridge), verdict);
            rules.push(NftRule { not_to: mac, ..crossing });
        }
    }
    for bridge in &spec.bridges {
        let verdict = NftVerdict::CountAndDrop;
        rules.push(rule(NftChain::FromOverlay, None, Some(bridge), verdict));
    }
    rules
}

/// The same by rules, as far as they can say it: own networks, and then nothing.
pub(super) fn rules(spec: &TransitSpec, priority: u32) -> BTreeSet<Rule> {
    let mut rules = BTreeSet::new();
    for bridge in &spec.bridges {
        for family in [Family::V4, Family::V6] {
            let input = Some(bridge.clone());
            let of_family = |own: &&rutter_route::Prefix| own.is_v4() == (family == Family::V4);
            for own in spec.own.iter().filter(of_family) {
                let lookup = Rule::new(family, priority, Verdict::Table(MAIN));
                rules.insert(Rule { input: input.clone(), to: Some(*own), ..lookup });
            }
            let last = Rule::new(family, priority.saturating_add(1), Verdict::Prohibit);
            rules.insert(Rule { input, ..last });
        }
    }
    rules
}

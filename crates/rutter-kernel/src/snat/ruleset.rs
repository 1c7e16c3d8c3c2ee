//! The rules by which a router masquerades. Pure.

use rutter_route::Prefix;

use super::{MAX_NETWORKS, SnatSpec};
use crate::rules::Family;
use crate::wire::{NftChain, NftRule, NftVerdict};

/// Why a spec can't be followed.
pub(super) fn mistake(spec: &SnatSpec) -> Option<String> {
    let n = spec.networks.len();
    (n > MAX_NETWORKS).then(|| format!("there are {n} networks, and {MAX_NETWORKS} at most"))
}

/// The families of which packets are forwarded.
pub(super) fn families(spec: &SnatSpec) -> Vec<Family> {
    let has = |v4| spec.networks.iter().any(|network| network.is_v4() == v4);
    let families = [(true, Family::V4), (false, Family::V6)].into_iter();
    families.filter(|(v4, _)| has(*v4)).map(|(_, family)| family).collect()
}

/// The rules of our table: first who is left alone, then whom it concerns, and at last everything
/// that is forwarded, for an exit.
pub(super) fn nft(spec: &SnatSpec) -> Vec<NftRule> {
    if !spec.masquerade {
        return Vec::new();
    }
    let rule = |verdict| NftRule::new(NftChain::PostRouting, verdict);
    let networks = || spec.networks.iter().copied().filter(|network| !network.is_default());
    let exits = spec.networks.iter().copied().filter(Prefix::is_default);
    let from = |network| NftRule { from: Some(network), ..rule(NftVerdict::Accept) };
    let to = |network| NftRule { to: Some(network), ..rule(NftVerdict::Masquerade) };
    let out = |all| NftRule { forwarded: true, ..to(all) };
    networks().map(from).chain(networks().map(to)).chain(exits.map(out)).collect()
}

//! A part of the hosts: a small hash table that never changes, of routes that do.
//!
//! Open addressing with linear probing, a power of two of places of which at most two thirds are
//! taken, each of 32 bytes and so within one cache line. A host is found by the memory of one line
//! in most cases; tables that keep their control bytes apart wait for two, and among a million hosts
//! that wait is what a look-up costs. Nothing is ever removed (a shard is made anew), so a free
//! place ends every search, and there always is one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use smol_str::SmolStr;

use crate::routes::Routes;

/// Hosts and their routes.
#[derive(Debug)]
pub(super) struct Shard {
    /// Their number is a power of two, and one of them at least is free.
    places: Box<[Option<Place>]>,
    n_hosts: usize,
}

/// A host's name, and beside it where its routes stand, so that a look-up needn't follow a pointer
/// to either. A name of up to 23 bytes lies here whole.
#[derive(Debug)]
#[repr(align(32))]
struct Place {
    name: SmolStr,
    routes: ArcSwap<Routes>,
}

impl Shard {
    /// A shard of these hosts, whose names differ from each other.
    pub(super) fn of(hosts: Vec<(SmolStr, Arc<Routes>)>, hash: impl Fn(&str) -> u64) -> Self {
        let n_hosts = hosts.len();
        let n_places = (n_hosts + n_hosts / 2 + 1).next_power_of_two();
        let mut places: Box<[Option<Place>]> = (0..n_places).map(|_| None).collect();
        for (name, routes) in hosts {
            let free = probe(hash(&name), n_places).find(|at| places[*at].is_none());
            // There are more places than hosts, and `probe` names each of them.
            if let Some(at) = free {
                places[at] = Some(Place { name, routes: ArcSwap::new(routes) });
            }
        }
        Self { places, n_hosts }
    }

    /// How many hosts there are.
    pub(super) fn len(&self) -> usize {
        self.n_hosts
    }

    /// Where the routes of a host stand.
    #[inline]
    pub(super) fn find(&self, hash: u64, host: &str) -> Option<&ArcSwap<Routes>> {
        for at in probe(hash, self.places.len()) {
            // `probe` stays below the length.
            let place = self.places[at].as_ref()?;
            if place.name == host {
                return Some(&place.routes);
            }
        }
        None
    }

    /// Every host, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &ArcSwap<Routes>)> {
        self.places.iter().flatten().map(|place| (&place.name, &place.routes))
    }
}

/// The places where a host may be, in the order in which they are tried. `n_places` is a power of
/// two.
#[inline]
fn probe(hash: u64, n_places: usize) -> impl Iterator<Item = usize> {
    let mask = n_places - 1;
    // The lowest bits: others choose the shard.
    let first = hash as usize;
    (0..n_places).map(move |step| first.wrapping_add(step) & mask)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_fills_half_a_cache_line() {
        assert_eq!((size_of::<Option<Place>>(), align_of::<Option<Place>>()), (32, 32));
    }

    proptest! {
        #[test]
        fn whatever_their_hashes_all_hosts_are_found_and_no_others(
            names in proptest::collection::btree_set("[a-z]{1,30}", 0..60),
            n_hashes in 1_u64..8,
        ) {
            // Few hashes: most hosts are not where they would be alone.
            let hash = |name: &str| name.len() as u64 % n_hashes;
            let routes =
                |name: &str| Arc::new(Routes::new(name.parse().unwrap(), Vec::new()));
            let hosts = names.iter().map(|name| (name.into(), routes(name))).collect();
            let shard = Shard::of(hosts, hash);
            prop_assert_eq!(shard.len(), names.len());
            prop_assert_eq!(shard.iter().count(), names.len());
            for name in &names {
                let found = shard.find(hash(name), name).unwrap().load();
                prop_assert_eq!(found.service.name.as_str(), name.as_str());
                let other = format!("{name}0");
                prop_assert!(shard.find(hash(&other), &other).is_none());
            }
        }
    }
}

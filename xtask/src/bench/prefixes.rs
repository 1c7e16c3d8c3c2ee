//! The prefixes that both sides get: distinct, random, the same for a seed on every machine.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use anyhow::{Result, bail};

use super::random::Random;

/// A network's address and its length.
pub(crate) type Network = (Ipv4Addr, u8);

/// The most that [`draw`] gives: the twentieth part of them are /16, of which there are 56,831.
const MOST: usize = 1_000_000;

/// So many distinct networks, in random order: of 20, 12 are /24 and 8 spread evenly over /16 to
/// /23, about what a full table of the Internet looks like. None is one that BIRD calls bogus.
pub(crate) fn draw(n: usize, seed: u64) -> Result<Vec<Network>> {
    if n > MOST {
        bail!("{n} distinct prefixes can't be drawn, {MOST} is the most");
    }
    let mut random = Random(seed);
    let mut seen = HashSet::with_capacity(n);
    let mut networks = Vec::with_capacity(n);
    while networks.len() < n {
        let length = length_at(networks.len());
        let bits = random.next() & (u32::MAX << (32 - u32::from(length)));
        if is_routed(bits) && seen.insert((bits, length)) {
            networks.push((Ipv4Addr::from_bits(bits), length));
        }
    }
    shuffle(&mut networks, &mut random);
    Ok(networks)
}

/// Random addresses, as a table is asked for them.
pub(crate) fn addresses(n: usize, seed: u64) -> Vec<Ipv4Addr> {
    let mut random = Random(seed);
    (0..n).map(|_| Ipv4Addr::from_bits(random.next())).collect()
}

/// The same in another random order.
pub(crate) fn shuffled<T: Clone>(list: &[T], seed: u64) -> Vec<T> {
    let mut list = list.to_vec();
    shuffle(&mut list, &mut Random(seed));
    list
}

fn length_at(index: usize) -> u8 {
    match index % 20 {
        rest @ 0..8 => 16 + rest as u8,
        _ => 24,
    }
}

/// Not this host, loopback, link-local, multicast or reserved.
fn is_routed(bits: u32) -> bool {
    let first = bits >> 24;
    (1..224).contains(&first) && first != 127 && bits >> 16 != 0xa9fe
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for last in (1..list.len()).rev() {
        let other = random.next() as usize % (last + 1);
        list.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_distinct_routed_and_the_same_for_a_seed() -> Result<()> {
        let networks = draw(20_000, 7)?;
        let distinct: HashSet<_> = networks.iter().collect();
        assert_eq!(distinct.len(), 20_000);
        assert_eq!(networks.iter().filter(|(_, length)| *length == 24).count(), 12_000);
        for (address, length) in &networks {
            assert!((16..=24).contains(length));
            assert_eq!(address.to_bits() << length, 0, "{address}/{length} has host bits");
            assert!(is_routed(address.to_bits()), "{address}");
        }
        assert_eq!(networks, draw(20_000, 7)?);
        assert_ne!(networks, draw(20_000, 8)?);
        Ok(())
    }

    #[test]
    fn more_than_there_are_is_refused() {
        assert!(draw(MOST + 1, 1).is_err());
    }
}

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const ALL: [BalanceMode; 4] = [
    BalanceMode::RoundRobin,
    BalanceMode::LeastConnections,
    BalanceMode::IpHash,
    BalanceMode::TwoChoices,
];

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn candidates(weights: &[u64]) -> Vec<Candidate> {
    let one = |(number, weight): (usize, &u64)| Candidate {
        number,
        weight: *weight,
        in_flight: 0,
        hash: mixed(number as u64),
    };
    weights.iter().enumerate().map(one).collect()
}

/// The addresses of that many clients, none twice.
fn client(n: u64) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + n as u32).into()
}

/// How often each is chosen in 10,000 choices that end at once, by as many clients.
fn shares(mode: BalanceMode, candidates: &[Candidate]) -> BTreeMap<usize, u64> {
    let mut shares = BTreeMap::new();
    for turn in 0..10_000 {
        let chosen = choose(mode, turn, client(turn), candidates.iter().copied()).unwrap();
        *shares.entry(chosen.number).or_default() += 1;
    }
    shares
}

/// That each has its share, to two hundredths of it; to five where clients are drawn by their
/// addresses, of which ten thousand are too few for more.
fn keeps_weights(mode: BalanceMode, candidates: &[Candidate]) {
    let total: u64 = candidates.iter().map(|c| c.weight).sum();
    let shares = shares(mode, candidates);
    let within = if mode == BalanceMode::IpHash { 0.05 } else { 0.02 };
    for candidate in candidates {
        let want = 10_000.0 * candidate.weight as f64 / total as f64;
        let got = shares.get(&candidate.number).copied().unwrap_or_default() as f64;
        assert!((got - want).abs() <= within * want, "{mode:?} {candidate:?}: {got} of {want}");
    }
}

#[test]
fn in_every_mode_each_has_its_share_by_weight_also_once_one_has_died() {
    for weights in [&[1, 1][..], &[1, 2, 3], &[5, 1], &[10, 20, 30, 40], &[1, 1, 1, 1, 1]] {
        let mut members = candidates(weights);
        for mode in ALL {
            keeps_weights(mode, &members);
        }
        members.remove(0);
        for mode in ALL {
            keeps_weights(mode, &members);
        }
    }
}

#[test]
fn nobody_is_chosen_of_nobody() {
    for mode in ALL {
        assert!(choose(mode, 7, NOBODY, std::iter::empty()).is_none());
    }
}

#[test]
fn equal_weights_take_turns_strictly() {
    let members = candidates(&[7, 7, 7]);
    let turns = (0..6).map(|t| in_turn(t, members.iter().copied()).unwrap().number);
    assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn who_has_the_fewest_for_its_weight_is_chosen_and_of_two_the_less_busy() {
    let mut members = candidates(&[1, 1, 2]);
    for (member, in_flight) in members.iter_mut().zip([3, 1, 1]) {
        member.in_flight = in_flight;
    }
    for turn in 0..50 {
        let least = least_busy(turn, members.iter().copied()).unwrap();
        assert_eq!(least.number, 2, "one for a weight of two is less than one for a weight of one");
        let of_two = less_busy_of_two(turn, members.iter().copied()).unwrap();
        assert_ne!(of_two.number, 0, "the busiest is never the less busy of two");
    }
}

#[test]
fn when_a_member_fails_only_its_own_clients_move_and_they_spread() {
    let members = candidates(&[1, 1, 1, 1]);
    let without: Vec<_> = members.iter().copied().filter(|m| m.number != 2).collect();
    let mut moved_to: HashMap<usize, u32> = HashMap::new();
    for n in 0..4000 {
        let before = by_rendezvous(client(n), members.iter().copied()).unwrap().number;
        let after = by_rendezvous(client(n), without.iter().copied()).unwrap().number;
        if before == 2 {
            *moved_to.entry(after).or_default() += 1;
        } else {
            assert_eq!(before, after, "another's client moves");
        }
        let again = by_rendezvous(client(n), members.iter().rev().copied()).unwrap().number;
        assert_eq!(again, before, "the order plays no part");
    }
    assert_eq!(moved_to.len(), 3);
    assert!(moved_to.values().all(|n| *n > 250), "{moved_to:?}");
}

proptest! {
    /// After any number of turns, from any turn on.
    #[test]
    fn nobody_is_ever_off_its_share_by_more_than_a_few(
        weights in proptest::collection::vec(1_u64..100, 1..8),
        begin: u64,
        n in 1_u64..500,
    ) {
        let members = candidates(&weights);
        let total: u64 = weights.iter().sum();
        let mut got = vec![0_f64; weights.len()];
        for turn in 0..n {
            let chosen = in_turn(begin.wrapping_add(turn), members.iter().copied()).unwrap();
            got[chosen.number] += 1.0;
        }
        for (got, weight) in got.iter().zip(&weights) {
            let want = n as f64 * *weight as f64 / total as f64;
            prop_assert!((got - want).abs() < 6.0, "{got} of {want}");
        }
    }
}

//! The choice itself, of each mode.
//!
//! **Turns.** Round robin over unequal weights is usually a race of counters that every choice moves
//! ("smooth weighted round robin"), so it needs a lock, and begins anew whenever a member comes or
//! goes. Here the n-th turn falls on the place ⟨n·φ⟩ of the weights laid end to end, where φ is the
//! golden ratio and ⟨x⟩ what x has behind the point. Of all sequences that one spreads most evenly
//! (Knuth, The Art of Computer Programming, 6.4, theorem S): after any number of turns each member
//! is off its share by a few requests, and members and weights may change between two turns. Equal
//! weights take turns strictly.

use std::net::IpAddr;

use rutter_route::BalanceMode;
use twox_hash::XxHash3_64;

use super::Candidate;

/// 2⁶⁴ over the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Who of the candidates it is; `None`: there is none. `turn` rises by one with each choice.
pub(super) fn choose(
    mode: BalanceMode,
    turn: u64,
    client: IpAddr,
    candidates: impl Iterator<Item = Candidate> + Clone,
) -> Option<Candidate> {
    match mode {
        BalanceMode::RoundRobin => in_turn(turn, candidates),
        BalanceMode::LeastConnections => least_busy(turn, candidates),
        BalanceMode::IpHash => by_rendezvous(client, candidates),
        BalanceMode::TwoChoices => less_busy_of_two(turn, candidates),
    }
}

/// One after the other, by weight.
fn in_turn(
    turn: u64,
    mut candidates: impl Iterator<Item = Candidate> + Clone,
) -> Option<Candidate> {
    let (mut n, mut total) = (0_u64, 0_u64);
    let first = candidates.clone().next()?;
    let mut are_alike = true;
    for candidate in candidates.clone() {
        n += 1;
        total = total.saturating_add(candidate.weight);
        are_alike &= candidate.weight == first.weight;
    }
    if are_alike {
        return candidates.nth((turn % n) as usize);
    }
    at(turn.wrapping_mul(GOLDEN), total, candidates)
}

/// Who lies at that part of all, counted in 2⁶⁴ths, when their weights are laid end to end.
fn at(part: u64, total: u64, mut candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    let mut left = ((u128::from(part) * u128::from(total)) >> 64) as u64;
    candidates.find(|candidate| match left.checked_sub(candidate.weight) {
        Some(behind) => {
            left = behind;
            false
        }
        None => true,
    })
}

/// Who has the fewest under way for its weight; those who have as few take turns.
fn least_busy(turn: u64, candidates: impl Iterator<Item = Candidate> + Clone) -> Option<Candidate> {
    let least = candidates.clone().min_by(|a, b| load(a, b).cmp(&load(b, a)))?;
    in_turn(turn, candidates.filter(move |one| load(one, &least) == load(&least, one)))
}

/// What `one` has to do for its weight, to be compared with what `other` has.
fn load(one: &Candidate, other: &Candidate) -> u64 {
    u64::from(one.in_flight).saturating_mul(other.weight)
}

/// The member that the client's address leads to. Each member has a number for each client, and the
/// highest wins (rendezvous, by weight: Schindelhauer and Schomaker, "Weighted distributed hash
/// tables", 2005). So when one fails its clients go to others, each by its own order, and nobody
/// else's client moves; and every gateway chooses the same.
fn by_rendezvous(client: IpAddr, candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    let number = |candidate: &Candidate| {
        let hash = match client.to_canonical() {
            IpAddr::V4(v4) => XxHash3_64::oneshot_with_seed(candidate.hash, &v4.octets()),
            IpAddr::V6(v6) => XxHash3_64::oneshot_with_seed(candidate.hash, &v6.octets()),
        };
        // Between 0 and 1, and neither.
        let drawn = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        candidate.weight as f64 / -drawn.ln()
    };
    let numbered = candidates.map(|candidate| (number(&candidate), candidate));
    numbered.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate)
}

/// The less busy of two that are drawn by weight (Mitzenmacher, "The power of two choices in
/// randomized load balancing", 2001): nearly as even as who has the fewest, but many gateways that
/// see only their own requests don't all run to the same one.
fn less_busy_of_two(
    turn: u64,
    candidates: impl Iterator<Item = Candidate> + Clone,
) -> Option<Candidate> {
    let one = in_turn(turn, candidates.clone())?;
    let others = candidates.filter(move |candidate| candidate.number != one.number);
    let total = others.clone().fold(0_u64, |sum, other| sum.saturating_add(other.weight));
    let Some(other) = at(mixed(turn), total, others) else { return Some(one) };
    Some(if load(&other, &one) < load(&one, &other) { other } else { one })
}

/// A number without likeness to its neighbours' (SplitMix64's last step).
fn mixed(turn: u64) -> u64 {
    let mut x = turn.wrapping_add(1).wrapping_mul(GOLDEN);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests;

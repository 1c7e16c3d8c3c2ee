//! Faults drawn by chance.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rutter_route::{AnyDestination, ClusterId, Service};
use serde::{Deserialize, Serialize};

use super::{Between, Fault, Meddling, Planned};
use crate::span::Span;
use crate::topology::pick;

/// How often what goes wrong: the average time between two faults, and of how many each kind is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chances {
    /// The average time between two faults.
    pub every: Span,
    /// The longest of those that last.
    pub longest: Span,
    /// Weight of links that are cut, for a moment or for long.
    pub cut: u32,
    /// ... of connections that are reset.
    pub reset: u32,
    /// ... of links that lose packets.
    pub lossy: u32,
    /// ... of links that become slow.
    pub slow: u32,
    /// ... of partitions.
    pub partition: u32,
    /// ... of speakers that die, half of them with what they had kept.
    pub kill: u32,
    /// ... of restarts as announced.
    pub restart: u32,
    /// ... of clusters that leave and come back.
    pub leave: u32,
    /// ... of walls' clocks that jump.
    pub wall_jump: u32,
    /// ... of links on which somebody meddles.
    pub meddle: u32,
    /// ... of signers that fail.
    pub signer: u32,
    /// ... of keys that are rotated.
    pub rotate: u32,
    /// ... of services that come and go.
    pub service: u32,
}

impl Default for Chances {
    fn default() -> Self {
        Self {
            every: Span::secs(8),
            longest: Span::secs(60),
            cut: 12,
            reset: 8,
            lossy: 4,
            slow: 4,
            partition: 2,
            kill: 6,
            restart: 4,
            leave: 2,
            wall_jump: 2,
            meddle: 6,
            signer: 2,
            rotate: 2,
            service: 12,
        }
    }
}

/// What there is that may break.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// Clusters.
    pub clusters: &'a [ClusterId],
    /// Links.
    pub links: &'a [Between],
}

type Draw = fn(&mut ChaCha8Rng, &Chances, &Targets<'_>) -> Option<Fault>;

/// Faults between two moments, in milliseconds, in order.
pub fn draw(
    rng: &mut ChaCha8Rng,
    chances: &Chances,
    targets: &Targets<'_>,
    from: u64,
    until: u64,
) -> Vec<Planned> {
    let kinds: [(u32, Draw); 13] = [
        (chances.cut, cut),
        (chances.reset, |rng, _, t| {
            Some(Fault::Reset { link: link(rng, t)?, one: rng.random_bool(0.5) })
        }),
        (chances.lossy, |rng, c, t| {
            let percent = rng.random_range(1..40);
            Some(Fault::Lossy { link: link(rng, t)?, percent, lasts: lasts(rng, c) })
        }),
        (chances.slow, |rng, c, t| {
            let delay = Span(rng.random_range(1..300));
            Some(Fault::Slow { link: link(rng, t)?, delay, lasts: lasts(rng, c) })
        }),
        (chances.partition, partition),
        (chances.kill, |rng, c, t| {
            let (cluster, lose_state) = (cluster(rng, t)?, rng.random_bool(0.5));
            Some(Fault::Kill { cluster, away: lasts(rng, c), lose_state })
        }),
        (chances.restart, |rng, c, t| {
            let (away, named) = (lasts(rng, c), lasts(rng, c));
            Some(Fault::Restart { cluster: cluster(rng, t)?, away, named })
        }),
        (chances.leave, |rng, c, t| {
            Some(Fault::Leave { cluster: cluster(rng, t)?, away: lasts(rng, c) })
        }),
        (chances.wall_jump, wall_jump),
        (chances.meddle, |rng, c, t| {
            let how = *pick(rng, &Meddling::ALL)?;
            Some(Fault::Meddle { link: link(rng, t)?, how, lasts: lasts(rng, c) })
        }),
        (chances.signer, |rng, c, t| {
            Some(Fault::SignerFails { cluster: cluster(rng, t)?, lasts: lasts(rng, c) })
        }),
        (chances.rotate, |rng, _, t| Some(Fault::Rotate { cluster: cluster(rng, t)? })),
        (chances.service, service),
    ];
    let sum: u32 = kinds.iter().map(|(weight, _)| weight).sum();
    let mut faults = Vec::new();
    let mut at = from;
    loop {
        at += 1 + rng.random_range(0..=chances.every.0.saturating_mul(2));
        if at >= until || sum == 0 {
            return faults;
        }
        let mut dice = rng.random_range(0..sum);
        for (weight, kind) in kinds {
            if dice < weight {
                let fault = kind(rng, chances, targets);
                faults.extend(fault.map(|fault| Planned { at: Span(at), fault }));
                break;
            }
            dice -= weight;
        }
    }
}

fn link(rng: &mut ChaCha8Rng, targets: &Targets<'_>) -> Option<Between> {
    pick(rng, targets.links).cloned()
}

fn cluster(rng: &mut ChaCha8Rng, targets: &Targets<'_>) -> Option<ClusterId> {
    pick(rng, targets.clusters).cloned()
}

/// Short ones as often as long ones: what is over before anybody has noticed is a case of its own.
fn lasts(rng: &mut ChaCha8Rng, chances: &Chances) -> Span {
    let most = match rng.random_range(0..3) {
        0 => 600,
        1 => 5_000,
        _ => chances.longest.0.max(2),
    };
    Span(rng.random_range(1..=most))
}

fn cut(rng: &mut ChaCha8Rng, chances: &Chances, targets: &Targets<'_>) -> Option<Fault> {
    Some(Fault::Cut { link: link(rng, targets)?, lasts: lasts(rng, chances) })
}

fn partition(rng: &mut ChaCha8Rng, chances: &Chances, targets: &Targets<'_>) -> Option<Fault> {
    let side: Vec<ClusterId> =
        targets.clusters.iter().filter(|_| rng.random_bool(0.4)).cloned().collect();
    Some(Fault::Partition { side, lasts: lasts(rng, chances) })
}

fn wall_jump(rng: &mut ChaCha8Rng, chances: &Chances, targets: &Targets<'_>) -> Option<Fault> {
    let hours = 3_600_000;
    let by_ms = match rng.random_range(0..3) {
        0 => rng.random_range(-60_000..60_000),
        1 => rng.random_range(-hours..hours),
        _ => rng.random_range(-48 * hours..48 * hours),
    };
    Some(Fault::WallJump { cluster: cluster(rng, targets)?, by_ms, lasts: lasts(rng, chances) })
}

/// One of the few services of a cluster comes or goes.
fn service(rng: &mut ChaCha8Rng, _: &Chances, targets: &Targets<'_>) -> Option<Fault> {
    let cluster = cluster(rng, targets)?;
    let name = format!("s{}.{cluster}", rng.random_range(0..3)).parse().ok()?;
    let destination = AnyDestination::Service(Service::http(name));
    Some(if rng.random_bool(0.5) {
        Fault::Originate { cluster, destination }
    } else {
        Fault::Withdraw { cluster, destination }
    })
}

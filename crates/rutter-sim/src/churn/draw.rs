//! What a seed's network is like.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rutter_protocol::policy::{FabricPolicy, RoutePolicy, ScopePolicy};
use rutter_protocol::speaker::Signing;
use rutter_rib::{Damping, FlapLimit, Stability};
use rutter_route::{ClusterId, Prefix};

use super::distrust::distrust;
use crate::faults::{Chances, Fault, Lie, Planned};
use crate::run::length;
use crate::scenario::{ClusterSpec, LinkSpec, OneLink, Scenario, SecuritySpec};
use crate::span::Span;
use crate::topology::{Topology, pick};

/// A network drawn from a seed.
pub(super) fn scenario(seed: u64, clusters: usize) -> Scenario {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut about = Vec::new();
    let topology = match rng.random_range(0..4) {
        0 => Topology::Ring(clusters),
        _ => Topology::Random { clusters, degree: rng.random_range(3..6) },
    };
    let mut scenario = Scenario {
        name: format!("churn {seed}"),
        seed,
        topology,
        duration: Span::secs(240),
        rest_within: Span::secs(150),
        chances: Some(Chances { every: Span::secs(12), ..Chances::default() }),
        ..Scenario::default()
    };
    links(&mut rng, &mut scenario, &mut about);
    security(&mut rng, &mut scenario, &mut about);
    let stability = stability(&mut rng, &mut about);
    let services = rng.random_bool(0.5);
    let paced = rng.random_bool(0.25);
    let paths = if rng.random_bool(0.2) { 2 } else { 1 };
    if services {
        about.push("services".to_owned());
    }
    if paced {
        about.push("paced".to_owned());
    }
    if paths > 1 {
        about.push(format!("{paths} paths"));
    }
    let (names, _) = scenario.topology.build(seed);
    for (at, name) in names.iter().enumerate() {
        let policy = FabricPolicy { stability: stability.clone(), ..policy(&mut rng, services) };
        let tag = if at.is_multiple_of(3) { "gold" } else { "silver" };
        let mut spec = ClusterSpec {
            policy,
            tags: tag.parse().into_iter().collect(),
            drift_ppm: rng.random_range(-300..300),
            wall_ahead_ms: rng.random_range(-20_000..20_000),
            pacing: Span(if paced { 1000 } else { 0 }),
            paths,
            ..ClusterSpec::default()
        };
        if services {
            let service = format!("web.{name}").parse();
            spec.services = service.into_iter().collect();
            spec.prefixes = prefix(at).filter(|_| at.is_multiple_of(4)).into_iter().collect();
        }
        scenario.clusters.insert(name.clone(), spec);
    }
    liars(&mut rng, &mut scenario, &names, &mut about);
    let drawn = scenario.clone();
    for (name, spec) in &mut scenario.clusters {
        distrust(&drawn, name, &mut spec.policy);
    }
    scenario.about = about.join(", ");
    scenario
}

fn prefix(at: usize) -> Option<Prefix> {
    format!("10.{}.{}.0/24", at / 256, at % 256).parse().ok()
}

fn links(rng: &mut ChaCha8Rng, scenario: &mut Scenario, about: &mut Vec<String>) {
    let connections = if rng.random_bool(0.3) { 2 } else { 1 };
    if connections > 1 {
        about.push("two connections a link".to_owned());
    }
    let (names, links) = scenario.topology.build(scenario.seed);
    for (a, b) in links {
        let (Some(a), Some(b)) = (names.get(a), names.get(b)) else { continue };
        let is = LinkSpec {
            delay: Span(rng.random_range(1..60)),
            jitter: Span(rng.random_range(0..10)),
            connections,
            cost: rng.random_range(0..5),
            bandwidth_kbps: if rng.random_bool(0.5) { 0 } else { 100_000 },
        };
        scenario.link.push(OneLink { between: (a.clone(), b.clone()), is });
    }
}

fn security(rng: &mut ChaCha8Rng, scenario: &mut Scenario, about: &mut Vec<String>) {
    let mut security = SecuritySpec::default();
    match rng.random_range(0..8) {
        0 => {
            security.required = false;
            about.push("unsigned".to_owned());
            // Without signatures nobody can tell what was meddled with.
            if let Some(chances) = &mut scenario.chances {
                chances.meddle = 0;
            }
        }
        1 | 2 => {
            security.signing = Signing::Each;
            about.push("a signature each".to_owned());
        }
        _ => {}
    }
    if rng.random_bool(0.5) {
        security.claim_life = Span::secs(900);
        about.push("claims of 15 min".to_owned());
    }
    scenario.security = security;
}

fn stability(rng: &mut ChaCha8Rng, about: &mut Vec<String>) -> Stability {
    let mut stability = Stability::default();
    match rng.random_range(0..5) {
        0 => {
            stability.hold_down = Span::secs(10).duration();
            about.push("hold-down".to_owned());
        }
        1 => {
            stability.damping = Some(Damping {
                half_life: Span::secs(10).duration(),
                max_hold: Span::secs(40).duration(),
                suppress: 3000,
                ..Damping::default()
            });
            about.push("damping".to_owned());
        }
        2 => {
            stability.flap_limit = Some(FlapLimit { flaps: 3, window: Span::secs(20).duration() });
            about.push("flap limit".to_owned());
        }
        _ => {}
    }
    stability
}

/// A policy that filters and prefers nothing: preferences could make a dispute wheel, which is a
/// scenario of its own.
fn policy(rng: &mut ChaCha8Rng, services: bool) -> FabricPolicy {
    let mut policy = FabricPolicy::default();
    if services {
        let open = || Some(RoutePolicy::default());
        let carry = ScopePolicy { import: open(), export: open(), ..ScopePolicy::default() };
        for scope in ["services", "overlay/1"] {
            policy.carry.extend(scope.parse().ok().map(|scope| (scope, carry.clone())));
        }
    }
    match rng.random_range(0..6) {
        0 => policy.export.deny_tags = "silver".parse().into_iter().collect(),
        1 => policy.import.max_hops = Some(6),
        _ => {}
    }
    policy
}

fn liars(
    rng: &mut ChaCha8Rng,
    scenario: &mut Scenario,
    names: &[ClusterId],
    about: &mut Vec<String>,
) {
    if !scenario.security.required || !rng.random_bool(0.4) {
        return;
    }
    for _ in 0..2 {
        let Some(name) = pick(rng, names) else { return };
        let lies: Vec<Lie> = Lie::ALL.into_iter().filter(|_| rng.random_bool(0.5)).collect();
        if let Some(spec) = scenario.clusters.get_mut(name) {
            spec.lies = lies;
        }
        about.push(format!("{name} lies"));
    }
}

/// Policies that change on the way: every few rounds one cluster's.
pub(super) fn turns(scenario: &mut Scenario) {
    let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x7475_726e);
    let names: Vec<ClusterId> = scenario.clusters.keys().cloned().collect();
    let length = length(scenario);
    for round in 0..u64::from(scenario.rounds) {
        let Some(cluster) = pick(&mut rng, &names).cloned() else { return };
        let spec = scenario.of(&cluster);
        let services = !spec.services.is_empty();
        let stability = spec.policy.stability.clone();
        let mut policy = Box::new(FabricPolicy { stability, ..policy(&mut rng, services) });
        distrust(scenario, &cluster, &mut policy);
        let at = Span(round * length + rng.random_range(5_000..scenario.duration.0.max(5_001)));
        scenario.faults.push(Planned { at, fault: Fault::Policy { cluster, policy } });
    }
}

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rutter_route::{BalanceOptions, Delivery, Service, Standing};

use super::*;
use crate::routes::{Hop, RouteId};

const NOW: Mono = Mono(1_000_000);

/// Routes of one group, the first of them as good as the best.
fn group(options: BalanceOptions, weights: &[u16]) -> Routes {
    let service: Service = "app".parse().unwrap();
    let delivery = Arc::new(Delivery { balance: options, ..Delivery::default() });
    let route = |(n, weight): (usize, &u16)| {
        let path = format!("m{n}").parse().unwrap();
        let key = RouteKey { source: "provider/app.yml".parse().unwrap(), path };
        let id = RouteId { service: service.clone(), route: key.clone() };
        Arc::new(Route {
            health: Arc::new(HealthCell::new(id.clone(), false)),
            id,
            label: "provider".into(),
            hop: Hop::Hole,
            delivery: delivery.clone(),
            group: Some("app".parse().unwrap()),
            weight: *weight,
            equal: true,
            health_check: None,
            standing: Standing::Eligible,
            load: Arc::default(),
            hash: hash_of(&key),
        })
    };
    let ranked = weights.iter().enumerate().map(route).collect();
    Routes { balancer: Some(Arc::default()), ..Routes::new(service, ranked) }
}

fn asker() -> Asker {
    let client = Ipv4Addr::LOCALHOST.into();
    Asker { client, sticks_to: None, slow_start: Duration::ZERO }
}

fn choose(routes: &Routes, asker: Asker, now: Mono, passed_over: &[usize]) -> Option<usize> {
    routes.balancer.as_ref().unwrap().choose(routes, asker, now, passed_over)
}

fn shares(routes: &Routes, asker: Asker, now: Mono, n: usize) -> BTreeMap<usize, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..n {
        *shares.entry(choose(routes, asker, now, &[]).unwrap()).or_default() += 1;
    }
    shares
}

#[test]
fn who_is_known_to_be_bad_is_not_chosen_and_the_others_share_by_weight() {
    let routes = group(BalanceOptions::default(), &[1, 2, 3]);
    routes.ranked[0].health.believe_unhealthy();
    let shares = shares(&routes, asker(), NOW, 10_000);
    assert!((3920..=4080).contains(&shares[&1]), "{shares:?}");
    assert!(!shares.contains_key(&0));
    routes.ranked.iter().for_each(|route| route.health.believe_unhealthy());
    assert_eq!(choose(&routes, asker(), NOW, &[]), None);
}

#[test]
fn who_had_its_chance_is_not_chosen_again_and_what_it_leaves_is_spread() {
    let routes = group(BalanceOptions::default(), &[1, 1, 1]);
    let mut second = BTreeMap::new();
    for _ in 0..3000 {
        let first = choose(&routes, asker(), NOW, &[]).unwrap();
        if first == 0 {
            let next = choose(&routes, asker(), NOW, &[first]).unwrap();
            *second.entry(next).or_insert(0) += 1;
            assert!(choose(&routes, asker(), NOW, &[first, next]).is_some());
            assert_eq!(choose(&routes, asker(), NOW, &[0, 1, 2]), None);
        }
    }
    assert!((480..=520).contains(&second[&1]), "{second:?}");
}

#[test]
fn only_the_equals_of_the_best_are_chosen_among() {
    let mut routes = group(BalanceOptions::default(), &[1, 1, 1]);
    Arc::get_mut(&mut routes.ranked[2]).unwrap().equal = false;
    assert_eq!(shares(&routes, asker(), NOW, 100), BTreeMap::from([(0, 50), (1, 50)]));
}

#[test]
fn a_client_stays_where_it_was_told_to_until_that_fails() {
    let sticky = BalanceOptions { is_sticky: true, ..BalanceOptions::default() };
    let routes = group(sticky, &[1, 1, 1]);
    let sticks_to = Some(routes.ranked[1].hash);
    let stays = Asker { sticks_to, ..asker() };
    assert_eq!(shares(&routes, stays, NOW, 100), BTreeMap::from([(1, 100)]));
    let stranger = Asker { sticks_to: Some(7), ..asker() };
    assert_eq!(shares(&routes, stranger, NOW, 99).len(), 3);
    routes.ranked[1].health.believe_unhealthy();
    assert_eq!(shares(&routes, stays, NOW, 100).len(), 2);
    // Who isn't to stay isn't kept by a cookie either.
    let loose = group(BalanceOptions::default(), &[1, 1, 1]);
    assert_eq!(shares(&loose, stays, NOW, 99).len(), 3);
}

#[test]
fn who_returns_gets_its_share_by_and_by() {
    let routes = group(BalanceOptions::default(), &[1, 1]);
    let slow = Asker { slow_start: Duration::from_secs(10), ..asker() };
    let of_second = |now| shares(&routes, slow, now, 1000).get(&1).copied().unwrap_or_default();
    // Both are new: neither is ahead.
    assert_eq!(of_second(NOW), 500);
    let later = NOW.after(Duration::from_secs(60));
    assert_eq!(of_second(later), 500);
    routes.ranked[1].health.believe_unhealthy();
    assert_eq!(of_second(later), 0);
    routes.ranked[1].health.believe_healthy(Mono(u64::MAX));
    // A tenth of the weight beside a whole one, then a half, then the whole.
    let begun = later.after(Duration::from_secs(1));
    assert!((80..=100).contains(&of_second(begun)));
    let half = begun.after(Duration::from_secs(5));
    assert!((325..=340).contains(&of_second(half)));
    assert_eq!(of_second(begun.after(Duration::from_secs(10))), 500);
}

#[test]
fn what_is_under_way_is_counted_until_it_ends_and_only_in_groups() {
    let mut routes = group(BalanceOptions::default(), &[1]);
    let n = |routes: &Routes| routes.ranked[0].load.in_flight.load(Ordering::Relaxed);
    let (one, two) = (UnderWay::of(&routes.ranked[0]), UnderWay::of(&routes.ranked[0]));
    assert_eq!(n(&routes), 2);
    drop((one, two));
    assert_eq!(n(&routes), 0);
    Arc::get_mut(&mut routes.ranked[0]).unwrap().group = None;
    assert!(UnderWay::of(&routes.ranked[0]).is_none());
}

#[test]
fn two_gateways_know_a_member_by_the_same_number() {
    let key = RouteKey { source: "provider/app.yml".parse().unwrap(), path: "m0".parse().unwrap() };
    assert_eq!(hash_of(&key), XxHash3_64::oneshot(b"provider/app.yml m0"));
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn http(alias: &str) -> Place {
    Place::Http(ListenAt::default(), alias.parse().unwrap(), None)
}

fn claim(kind: ClaimKind, provider: u32, route: &str, places: &[Place]) -> Claim {
    let by = Claimant { kind, provider, route: (route.to_owned(), None) };
    Claim { by, places: places.to_vec(), group: None }
}

fn in_group(claim: Claim, group: &str) -> Claim {
    Claim { group: Some(group.parse().unwrap()), ..claim }
}

/// Which of the claims are granted.
fn granted(claims: &[Claim]) -> Vec<bool> {
    judge(claims).iter().map(|judgement| *judgement == Judgement::Granted).collect()
}

#[test]
fn built_in_beats_explicit_beats_container_beats_place_beats_identity() {
    let app = [http("app")];
    let ladder = [
        claim(ClaimKind::BuiltIn, 9, "z", &app),
        claim(ClaimKind::Explicit, 1, "z", &app),
        claim(ClaimKind::Explicit, 2, "a", &app),
        claim(ClaimKind::Container, 0, "a", &app),
        claim(ClaimKind::Container, 0, "b", &app),
    ];
    for from in 0..ladder.len() {
        // Each is the winner as soon as those above it are gone.
        let mut claims = ladder[from..].to_vec();
        claims.reverse();
        let judgements = judge(&claims);
        let winner = claims.last().unwrap().by.clone();
        assert_eq!(judgements.last(), Some(&Judgement::Granted));
        for judgement in &judgements[..judgements.len() - 1] {
            let denied = Judgement::Denied { place: http("app"), winner: winner.clone() };
            assert_eq!(*judgement, denied);
        }
    }
}

#[test]
fn members_of_one_providers_link_share_and_others_dont() {
    let link = [http("link")];
    let claims = [
        in_group(claim(ClaimKind::Explicit, 1, "a", &link), "link"),
        in_group(claim(ClaimKind::Explicit, 1, "b", &link), "link"),
        in_group(claim(ClaimKind::Explicit, 2, "c", &link), "link"),
        claim(ClaimKind::Explicit, 1, "link", &link),
    ];
    assert_eq!(granted(&claims), [true, true, false, false]);
}

#[test]
fn paths_and_listeners_of_their_own_are_no_conflict() {
    let alias: Alias = "app".parse().unwrap();
    let prefix = |path: &str| Some(path.parse().unwrap());
    let other = ListenAt { port: Some(8443), ..ListenAt::default() };
    let places = [
        Place::Http(ListenAt::default(), alias.clone(), None),
        Place::Http(ListenAt::default(), alias.clone(), prefix("/api")),
        Place::Http(ListenAt::default(), alias.clone(), prefix("/docs")),
        Place::Http(other, alias.clone(), None),
        Place::Stream(alias),
    ];
    let claims: Vec<Claim> = places
        .iter()
        .enumerate()
        .map(|(n, place)| {
            claim(ClaimKind::Explicit, 1, &n.to_string(), std::slice::from_ref(place))
        })
        .collect();
    assert_eq!(granted(&claims), [true; 5]);
}

#[test]
fn what_is_wholly_taken_is_taken_everywhere_and_for_every_path() {
    let alias: Alias = "app".parse().unwrap();
    let whole = Place::Whole(alias.clone());
    let under = Place::Http(ListenAt::default(), alias.clone(), Some("/api".parse().unwrap()));
    let claims = [
        claim(ClaimKind::Explicit, 1, "a", std::slice::from_ref(&whole)),
        claim(ClaimKind::Container, 2, "b", std::slice::from_ref(&under)),
        claim(ClaimKind::Container, 2, "c", &[Place::Stream(alias)]),
        claim(ClaimKind::Container, 2, "d", &[http("other")]),
    ];
    assert_eq!(granted(&claims), [true, false, false, true]);
    // Who is stronger has its part, and the whole is not to be had.
    let claims = [
        claim(ClaimKind::Container, 2, "a", &[whole]),
        claim(ClaimKind::Explicit, 1, "b", &[under]),
    ];
    assert_eq!(granted(&claims), [false, true]);
}

#[test]
fn who_lacks_one_of_its_places_holds_none_of_the_others() {
    let any: IpAddr = Ipv4Addr::UNSPECIFIED.into();
    let stream = |alias: &str| Place::Stream(alias.parse().unwrap());
    let claims = [
        claim(ClaimKind::Explicit, 1, "a", &[stream("a"), Place::Tcp(any, 22)]),
        claim(ClaimKind::Explicit, 1, "b", &[stream("b"), Place::Tcp(any, 22)]),
        claim(ClaimKind::Explicit, 2, "c", &[stream("b"), Place::Tcp(any, 23)]),
        claim(ClaimKind::Explicit, 2, "d", &[stream("d"), Place::Udp(any, 22)]),
    ];
    assert_eq!(granted(&claims), [true, false, true, true]);
}

/// Claims of three providers to a few places; each claimant once.
fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let kind = prop_oneof![
        Just(ClaimKind::BuiltIn),
        Just(ClaimKind::Explicit),
        Just(ClaimKind::Container)
    ];
    let one = (kind, 0u32..3, 0u8..4, proptest::collection::vec(0u8..6, 1..3), any::<bool>());
    let claim = |(kind, provider, route, places, grouped): (ClaimKind, u32, u8, Vec<u8>, bool)| {
        let place = |p: &u8| match p {
            4 => Place::Whole("p0".parse().unwrap()),
            5 => Place::Tcp(Ipv4Addr::UNSPECIFIED.into(), 22),
            p => http(&format!("p{p}")),
        };
        let places: Vec<Place> = places.iter().map(place).collect();
        let one = claim(kind, provider, &route.to_string(), &places);
        if grouped { in_group(one, "link") } else { one }
    };
    let by_claimant = |claims: Vec<Claim>| {
        let unique: BTreeMap<Claimant, Claim> =
            claims.into_iter().map(|claim| (claim.by.clone(), claim)).collect();
        unique.into_values().collect()
    };
    proptest::collection::vec(one.prop_map(claim), 0..12).prop_map(by_claimant)
}

proptest! {
    #[test]
    fn any_order_of_arrival_of_three_providers_ends_in_the_same_winners(
        (claims, shuffled) in claims().prop_flat_map(|claims| {
            (Just(claims.clone()), Just(claims).prop_shuffle())
        })
    ) {
        let by_claimant = |claims: &[Claim]| -> BTreeMap<Claimant, Judgement> {
            claims.iter().map(|claim| claim.by.clone()).zip(judge(claims)).collect()
        };
        prop_assert_eq!(by_claimant(&claims), by_claimant(&shuffled));
    }

    #[test]
    fn no_place_has_two_services_and_every_loser_is_told_a_stronger_winner(claims in claims()) {
        let judgements = judge(&claims);
        for (claim, judgement) in claims.iter().zip(&judgements) {
            match judgement {
                Judgement::Denied { place, winner } => {
                    prop_assert!(winner < &claim.by);
                    prop_assert!(claim.places.iter().any(|own| own.excludes(place)));
                    let at = claims.iter().position(|other| other.by == *winner).unwrap();
                    prop_assert_eq!(&judgements[at], &Judgement::Granted);
                    prop_assert!(claims[at].places.contains(place));
                }
                Judgement::Granted => {
                    let others = claims.iter().zip(&judgements).filter(|(other, judgement)| {
                        other.by != claim.by && **judgement == Judgement::Granted
                    });
                    for (other, _) in others {
                        let in_common = claim
                            .places
                            .iter()
                            .any(|p| other.places.iter().any(|o| o.excludes(p)));
                        prop_assert!(!in_common || claim.shares_with(other));
                    }
                }
            }
        }
    }

    #[test]
    fn when_a_winner_ends_its_places_are_anothers_and_who_had_theirs_keeps_them(claims in claims()) {
        // With single places nobody who was granted depends on who is denied.
        let claims: Vec<Claim> = claims
            .into_iter()
            .map(|claim| Claim { places: claim.places[..1].to_vec(), ..claim })
            .collect();
        let before = granted(&claims);
        let Some(ended) = before.iter().position(|is| *is) else { return Ok(()) };
        let mut left = claims.clone();
        let gone = left.remove(ended);
        let after = granted(&left);
        for (claim, had) in claims.iter().zip(&before) {
            let Some(at) = left.iter().position(|other| other.by == claim.by) else { continue };
            prop_assert!(!had || after[at] || claim.places[0].excludes(&gone.places[0]));
        }
        let wants_it = |claim: &&Claim| claim.places == gone.places;
        if left.iter().any(|claim| wants_it(&claim)) {
            let excluding = |claim: &Claim| claim.places[0].excludes(&gone.places[0]);
            prop_assert!(left.iter().zip(&after).any(|(claim, has)| *has && excluding(claim)));
        }
    }
}

/// What became of each claim, when all are judged at once.
fn at_once(claims: &[Claim]) -> BTreeMap<Claimant, Judgement> {
    claims.iter().map(|claim| claim.by.clone()).zip(judge(claims)).collect()
}

proptest! {
    #[test]
    fn claims_that_come_and_go_are_judged_as_all_at_once(
        steps in proptest::collection::vec((claims(), any::<u64>()), 1..8)
    ) {
        let mut all = BTreeMap::new();
        let mut judged = Claims::default();
        let mut told = BTreeMap::new();
        for (claims, removes) in steps {
            let mut changes = Vec::new();
            let gone = all.keys().enumerate().filter(|(n, _)| removes >> (n % 64) & 1 == 1);
            let gone: Vec<Claimant> = gone.map(|(_, by)| by).cloned().collect();
            for by in gone {
                all.remove(&by);
                told.remove(&by);
                changes.push(Change::Remove(by));
            }
            for claim in claims {
                all.insert(claim.by.clone(), claim.clone());
                changes.push(Change::Put(claim));
            }
            let put: Vec<_> = changes.iter().filter_map(|change| match change {
                Change::Put(claim) => Some(claim.by.clone()),
                Change::Remove(_) => None,
            }).collect();
            let changed = judged.change(changes);
            prop_assert!(changed.is_sorted_by(|a, b| a.0 < b.0));
            prop_assert!(put.iter().all(|by| changed.iter().any(|(changed, _)| changed == by)));
            told.extend(changed);
            let should = at_once(&all.values().cloned().collect::<Vec<_>>());
            for (by, judgement) in &should {
                prop_assert_eq!(judged.judgement(by), Some(judgement));
            }
            // Whoever keeps only what it is told knows all.
            prop_assert_eq!(&told, &should);
            prop_assert_eq!(judged.len(), all.len());
        }
    }
}

#[test]
fn of_a_hundred_thousand_claims_those_are_judged_that_a_change_concerns() {
    let of = |n: usize| claim(ClaimKind::Explicit, 1, &n.to_string(), &[http(&format!("a{n}"))]);
    let mut judged = Claims::default();
    assert_eq!(judged.change((0..100_000).map(of).map(Change::Put)).len(), 100_000);
    let before = judged.n_judged;
    // One is another, one takes a place of another's, and its own is free again.
    let container = claim(ClaimKind::Container, 2, "c", &[http("a7")]);
    judged.change([Change::Put(of(5)), Change::Put(container)]);
    let moved = claim(ClaimKind::Explicit, 1, "7", &[http("a8")]);
    let turned = judged.change([Change::Put(moved)]);
    let turned: Vec<(&str, bool)> =
        turned.iter().map(|(by, is)| (by.route.0.as_str(), *is == Judgement::Granted)).collect();
    assert_eq!(turned, [("7", true), ("8", false), ("c", true)]);
    assert!(judged.n_judged - before < 10, "{}", judged.n_judged - before);
}

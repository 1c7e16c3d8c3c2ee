use rutter_link::LinkKey;

use super::*;

fn id(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn path(names: &str) -> Path {
    names.split_whitespace().map(id).collect()
}

fn access(gateway: &str, key: u8) -> NeighbourAccess {
    let keys = vec![PublicKey([key; 32])];
    NeighbourAccess { reachable: true, gateway: gateway.into(), keys }
}

fn forwarding() -> Forwarding {
    let identity = Arc::new(LinkKey::generate().unwrap().certified().unwrap());
    let mut all = Forwarding::new(id("a"), identity, false);
    let neighbours = [("b", access("b:1", 1)), ("c", access("c:1", 2)), ("e", access("", 2))];
    all.neighbours = Arc::new(neighbours.into_iter().map(|(n, a)| (id(n), a)).collect());
    all.set_paths(id("d"), vec![path("a e d"), path("a b d"), path("a c d")]);
    all
}

fn ask(to: &str) -> Ask {
    Ask { destination: id(to), avoid: vec![], visited: vec![], hop_budget: 5 }
}

#[test]
fn a_neighbour_without_a_gateway_is_no_way() {
    let all = forwarding();
    let ways = all.ways(&ask("d")).unwrap();
    let gateways: Vec<_> = ways.iter().map(|way| way.gateway.as_str()).collect();
    assert_eq!(gateways, ["b:1", "c:1"]);
    assert_eq!(all.ways(&ask("e")), Err(Outcome::NoPeerForNextHop));
    assert_eq!(all.ways(&ask("x")), Err(Outcome::NoFabricPath));
}

#[test]
fn a_picture_that_was_taken_doesnt_change_under_its_reader() {
    let mut now = forwarding();
    let before = now.clone();
    now.set_paths(id("d"), vec![]);
    now.set_paths(id("f"), vec![path("a b f")]);
    assert_eq!(before.paths(&id("d")).len(), 3);
    assert!(before.paths(&id("f")).is_empty());
    assert!(now.paths(&id("d")).is_empty());
    assert_eq!(now.destinations(), [&id("f")].into());
}

#[test]
fn a_key_that_two_neighbours_have_is_nobodys() {
    let all = forwarding();
    assert_eq!(all.neighbour_of(&PublicKey([1; 32])), Some(&id("b")));
    assert_eq!(all.neighbour_of(&PublicKey([2; 32])), None);
    assert_eq!(all.neighbour_of(&PublicKey([3; 32])), None);
}

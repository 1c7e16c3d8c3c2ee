use std::collections::BTreeSet;

use rutter_rib::Policy;
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, Now, Session, SourceInfo, SourceState,
};

use super::*;

/// Neighbours that are connected.
struct Connected(BTreeSet<ClusterId>);

impl Neighbours for Connected {
    fn is_connected(&self, neighbour: &ClusterId) -> bool {
        self.0.contains(neighbour)
    }

    fn connected(&self) -> Vec<ClusterId> {
        self.0.iter().cloned().collect()
    }
}

fn id(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn ids(names: &str) -> Vec<ClusterId> {
    names.split_whitespace().map(id).collect()
}

fn connected(names: &str) -> Connected {
    Connected(ids(names).into_iter().collect())
}

fn ask(to: &str) -> Ask {
    Ask { destination: id(to), avoid: vec![], visited: vec![], hop_budget: 5 }
}

/// The table of `a`, with these paths from it, such as `b c`, by their neighbours.
fn table(paths: &[&str]) -> Table<ClusterId> {
    let fabric: rutter_route::TableName = "fabric".parse().unwrap();
    let now = Now::new(1000, 1000);
    let mut table = Table::new(fabric.clone(), id("a"), Policy::default(), now, 1).unwrap();
    for path in paths {
        let path = ids(path);
        let source = format!("neighbour/{}", path[0]).parse().unwrap();
        let session = Session { source, incarnation: Incarnation(1) };
        table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
        let step =
            |cluster: &ClusterId| PathStep { cluster: cluster.clone(), table: fabric.clone() };
        let attributes = Attributes {
            path_list: path.iter().rev().map(step).collect(),
            hops: u16::try_from(path.len()).unwrap(),
            ..Attributes::via(NextHop::Cluster(path[0].clone()))
        };
        let route = Advertisement::new(path.last().unwrap().clone(), attributes);
        table.advertise(now, &session, route);
    }
    let mut changes = rutter_rib::Changes::default();
    while !table.commit(now, 1000, &mut changes).is_done() {}
    table
}

fn planned(paths: &[&str], there: &str, fallback: bool, ask: &Ask) -> (Option<String>, Outcome) {
    let planned = next_hop(&id("a"), &table(paths), &connected(there), fallback, ask);
    assert!(planned.path.is_empty() || planned.path[0] == id("a"));
    (planned.next_hop.map(|n| n.to_string()), planned.reason)
}

fn to(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn a_request_goes_by_the_table_then_to_a_direct_neighbour_then_to_the_first_unvisited() {
    let two = &["b d", "c x d"];
    assert_eq!(planned(two, "b c", false, &ask("d")), (to("b"), Outcome::Ok));
    assert_eq!(planned(&[], "b d", false, &ask("d")), (to("d"), Outcome::Ok));
    assert_eq!(planned(&[], "b c", false, &ask("d")), (None, Outcome::NoFabricPath));
    assert_eq!(planned(&[], "b c", true, &ask("d")), (to("b"), Outcome::FallbackNeighbor));
    let visited = Ask { visited: ids("b"), ..ask("d") };
    assert_eq!(planned(&[], "b c", true, &visited), (to("c"), Outcome::FallbackNeighbor));
}

#[test]
fn what_is_avoided_or_was_visited_is_gone_round() {
    let two = &["b d", "c x d"];
    let avoid = |names| Ask { avoid: ids(names), ..ask("d") };
    let visited = |names| Ask { visited: ids(names), ..ask("d") };
    assert_eq!(planned(two, "b c", false, &avoid("b")), (to("c"), Outcome::Ok));
    assert_eq!(planned(two, "b c", false, &visited("b")), (to("c"), Outcome::Ok));
    assert_eq!(planned(two, "b c", false, &avoid("b x")), (None, Outcome::PathMismatch));
    assert_eq!(planned(two, "b c", false, &visited("b x")), (None, Outcome::PathMismatch));
    // It was asked for, so it isn't avoided.
    assert_eq!(planned(two, "b c", false, &avoid("d")), (to("b"), Outcome::Ok));
}

#[test]
fn a_hop_budget_is_links_and_none_is_left_at_0() {
    let two = &["b x d", "c d"];
    let budget = |hop_budget| Ask { hop_budget, ..ask("d") };
    assert_eq!(planned(two, "b c", false, &budget(0)), (None, Outcome::HopBudgetExhausted));
    assert_eq!(planned(two, "b c", false, &budget(1)), (None, Outcome::PathMismatch));
    assert_eq!(planned(two, "b c", false, &budget(2)), (to("c"), Outcome::Ok));
    assert_eq!(planned(&["b x d"], "b", false, &budget(2)), (None, Outcome::PathMismatch));
}

#[test]
fn what_is_here_or_came_from_here_goes_nowhere() {
    assert_eq!(planned(&["b d"], "b", true, &ask("a")), (None, Outcome::AlreadyLocal));
    let visited = Ask { visited: ids("x a"), ..ask("d") };
    assert_eq!(planned(&["b d"], "b", true, &visited), (None, Outcome::LoopDetected));
}

#[test]
fn a_neighbour_that_is_away_gives_way_to_the_next_path() {
    let two = &["b d", "c x d"];
    assert_eq!(planned(two, "c", false, &ask("d")), (to("c"), Outcome::Ok));
    assert_eq!(planned(two, "z", false, &ask("d")), (None, Outcome::NoPeerForNextHop));
}

#[test]
fn who_may_try_again_is_told_each_neighbour_once_best_first() {
    let table = table(&["b d", "c x d", "e y z d"]);
    let paths = paths(&id("a"), &table, &id("d"));
    let ways = ways(&id("a"), &paths, &connected("b c e"), true, &ask("d")).unwrap();
    let names: Vec<_> = ways.iter().map(|w| w.next_hop.clone().unwrap().to_string()).collect();
    assert_eq!(names, ["b", "c", "e"]);
    assert_eq!(ways[1].path, ids("a c x d"));
}

#[test]
fn outcomes_have_the_originals_names() {
    for outcome in [
        Outcome::Ok,
        Outcome::FallbackNeighbor,
        Outcome::NoTargetCluster,
        Outcome::AlreadyLocal,
        Outcome::LoopDetected,
        Outcome::HopBudgetExhausted,
        Outcome::NoFabricPath,
        Outcome::PathMismatch,
        Outcome::NoPeerForNextHop,
    ] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
    }
}

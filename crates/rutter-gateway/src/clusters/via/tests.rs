use super::*;

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn take(said: &[&'static str], neighbour: Option<&str>) -> Result<Via, Page> {
    let mut headers = HeaderMap::new();
    for said in said {
        headers.append(RUTTER_VIA, HeaderValue::from_static(said));
    }
    let via = Via::take(&mut headers, neighbour.map(cluster).as_ref(), &cluster("own"));
    assert!(!headers.contains_key(RUTTER_VIA), "it never stays in the request");
    via
}

#[test]
fn what_strangers_say_of_visited_clusters_counts_for_nothing() {
    for said in [&["3; a, own"][..], &["0; a"], &["no list"], &["5; a", "5; b"], &[]] {
        assert_eq!(take(said, None), Ok(Via::default()), "{said:?}");
    }
}

#[test]
fn a_neighbours_list_is_read_and_the_neighbour_is_in_it() {
    let read = |said, neighbour| {
        let via = take(&[said], Some(neighbour)).unwrap();
        let names: Vec<_> = via.visited.iter().map(ToString::to_string).collect();
        (names.join(" "), via.budget)
    };
    assert_eq!(read("4; d", "d"), ("d".into(), 4));
    assert_eq!(read("3;d,b", "b"), ("d b".into(), 3));
    assert_eq!(read("3; d", "b"), ("d b".into(), 3), "it left itself out");
    assert_eq!(take(&[], Some("b")).unwrap().budget, 4, "it said nothing");
    assert_eq!(take(&["9999999; d"], Some("d")).unwrap().budget, 4, "it claims more than there is");
}

#[test]
fn a_request_that_was_here_is_refused_and_so_is_a_list_that_cant_be_read() {
    assert_eq!(take(&["3; d, own, b"], Some("b")), Err(pages::CLUSTER_LOOP));
    let unreadable = ["", "3", "x; d", "-1; d", "3; d,,b", "3; d b", "3;", "3; a,b,c,d,e,f"];
    for said in unreadable {
        assert_eq!(take(&[said], Some("d")), Err(pages::BAD_VIA), "{said:?}");
    }
    assert_eq!(take(&["3; d", "3; d"], Some("d")), Err(pages::BAD_VIA));
}

#[test]
fn the_budget_falls_with_each_link_and_ends() {
    let own = cluster("own");
    let first = Via::default();
    assert_eq!(first.onward(&own).unwrap(), "4; own");
    let last = Via { visited: vec![cluster("d")], budget: 1 };
    assert_eq!(last.onward(&own).unwrap(), "0; d, own");
    let over = Via { budget: 0, ..last };
    assert_eq!(over.onward(&own), Err(pages::HOP_BUDGET));
}

//! Gateways of several clusters, over real sockets and real TLS. What the fabric would say is set by
//! hand: it is another crate's.

mod failing;
mod scene;
mod strangers;

use scene::Scene;

use crate::testing::{Act, Origin, get, with_body};

#[tokio::test]
async fn a_service_of_another_cluster_is_served_through_its_neighbours() {
    let mut scene = Scene::new(&["a", "b", "d"]).await;
    let origin = Origin::start(|m| Act::Ok(format!("got {}", m.text()))).await;
    scene.serve("a", &origin).await;
    scene.way("d", &[&["d", "b", "a"]]).await;
    scene.way("b", &[&["b", "a"]]).await;
    for (method, body) in [("GET", ""), ("POST", "order"), ("PUT", "q")] {
        let answer = scene.ask("d", &with_body(method, "/x?y", body)).await;
        assert_eq!((answer.status(), answer.text()), (200, format!("got {body}")), "{method}");
    }
    assert_eq!(origin.seen().len(), 3);
    for seen in origin.seen() {
        assert_eq!(seen.header("host"), Some("alice.nsl.sh"), "the host is kept");
        assert_eq!(seen.header("rutter-via"), None, "it is between gateways");
        let through = seen.all("via").join(",").split(',').count();
        assert_eq!(through, 3, "{}", seen.head);
    }
}

#[tokio::test]
async fn what_the_cluster_says_is_found_by_the_next_gateway_in_the_header_alone() {
    let mut scene = Scene::new(&["a", "b", "c", "d"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    // B's best way leads back to D, which is where the request comes from: it takes the other.
    scene.way("d", &[&["d", "b", "a"]]).await;
    scene.way("b", &[&["b", "d", "a"], &["b", "c", "a"]]).await;
    scene.way("c", &[&["c", "a"]]).await;
    assert_eq!(scene.ask("d", &get("/")).await.text(), "a");
}

#[tokio::test]
async fn a_forged_visited_header_from_outside_is_dropped() {
    let mut scene = Scene::new(&["a", "d"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    scene.way("d", &[&["d", "a"]]).await;
    for forged in ["0; x", "5; a", "5; d", "rubbish", "1; d\r\nRutter-Via: 1; d"] {
        let request = get("/").replace("Host:", &format!("Rutter-Via: {forged}\r\nHost:"));
        let answer = scene.ask("d", &request).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "a"), "{forged}");
    }
    assert!(origin.seen().iter().all(|seen| seen.header("rutter-via").is_none()));
}

#[tokio::test]
async fn a_loop_of_clusters_ends_at_the_first_that_had_the_request() {
    let mut scene = Scene::new(&["b", "c", "d"]).await;
    // Whatever the fabric says of who was visited: as if tables lied.
    scene.careless();
    scene.way("d", &[&["d", "b", "a"]]).await;
    scene.way("b", &[&["b", "c", "a"]]).await;
    scene.way("c", &[&["c", "d", "a"]]).await;
    let answer = scene.ask("d", &get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (508, Some("CLUSTER_LOOP")));
    assert_eq!(scene.n_asked("d"), 2, "once by its client, once by the loop");
    assert_eq!((scene.n_asked("b"), scene.n_asked("c")), (1, 1));
}

#[tokio::test]
async fn a_request_goes_over_five_links_and_no_further() {
    let names = ["g0", "g1", "g2", "g3", "g4", "g5", "g6"];
    let mut scene = Scene::new(&names).await;
    for pair in names.windows(2) {
        scene.way(pair[0], &[&[pair[0], pair[1], "a"]]).await;
    }
    let origin = Origin::named("far").await;
    scene.serve("g6", &origin).await;
    let answer = scene.ask("g0", &get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (508, Some("HOP_BUDGET")));
    assert_eq!(
        (scene.n_asked("g5"), scene.n_asked("g6")),
        (1, 0),
        "the sixth link isn't gone over"
    );
    assert_eq!(scene.ask("g1", &get("/")).await.text(), "far");
}

#[tokio::test]
async fn without_a_way_a_request_is_503_and_a_route_of_this_cluster_comes_first_to_its_aid() {
    let mut scene = Scene::new(&["d"]).await;
    scene.way("d", &[]).await;
    let answer = scene.ask("d", &get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (503, Some("NO_WAY")));
    let own = Origin::named("own").await;
    scene.and_own("d", &own).await;
    assert_eq!(scene.ask("d", &get("/")).await.text(), "own");
}

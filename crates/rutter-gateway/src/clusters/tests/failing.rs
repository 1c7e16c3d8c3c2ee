//! Ways that fail: what goes on by the next, and what doesn't.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;

use super::scene::{Scene, cluster};
use crate::testing::{Act, Origin, PATIENCE, get, refused, slow_origin, until, with_body};

/// D reaches A through B, then through C.
async fn diamond() -> Scene {
    let mut scene = Scene::new(&["a", "b", "c", "d"]).await;
    scene.way("d", &[&["d", "b", "a"], &["d", "c", "a"]]).await;
    scene.way("b", &[&["b", "a"]]).await;
    scene.way("c", &[&["c", "a"]]).await;
    scene
}

#[tokio::test]
async fn a_gateway_that_cant_be_reached_costs_no_request_of_any_method() {
    let mut scene = diamond().await;
    let origin = Origin::start(|m| Act::Ok(format!("got {}", m.text()))).await;
    scene.serve("a", &origin).await;
    let nobody = refused().await;
    scene.says("d").gateways.insert(cluster("b"), nobody);
    let big = "x".repeat(300 * 1024);
    for (method, body) in [("GET", ""), ("POST", "order"), ("POST", big.as_str())] {
        let answer = scene.ask("d", &with_body(method, "/", body)).await;
        assert_eq!((answer.status(), answer.text()), (200, format!("got {body}")), "{method}");
    }
    assert_eq!((scene.n_asked("b"), scene.n_asked("c")), (0, 3));
}

#[tokio::test]
async fn a_neighbour_that_has_lost_its_way_costs_a_try_and_no_request() {
    let mut scene = diamond().await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    scene.says("b").paths.clear();
    for request in [get("/"), with_body("PUT", "/", "q")] {
        assert_eq!(scene.ask("d", &request).await.text(), "a");
    }
    assert_eq!((scene.n_asked("b"), scene.n_asked("c")), (2, 2));
}

#[tokio::test]
async fn what_may_have_been_done_is_asked_again_only_if_that_does_no_harm() {
    let mut scene = diamond().await;
    let origin = Origin::start(|_| Act::Close).await;
    scene.serve("a", &origin).await;
    let answer = scene.ask("d", &with_body("POST", "/", "order")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (502, Some("BACKEND_FAILED")));
    assert_eq!(origin.seen().len(), 1, "once, over all clusters");
    assert_eq!((scene.n_asked("b"), scene.n_asked("c")), (1, 0));
    let answer = scene.ask("d", &get("/")).await;
    assert_eq!(answer.status(), 502);
    assert_eq!(origin.seen().len(), 3, "once by each way");
}

#[tokio::test]
async fn a_neighbour_that_the_fabric_has_lost_is_given_up_at_once() {
    let mut scene = diamond().await;
    let (gate, opened) = watch::channel(false);
    let slow = slow_origin(opened).await;
    let quick = Origin::named("quick").await;
    // B has the service itself, and its answer doesn't come.
    scene.serve_at("b", slow).await;
    scene.serve("a", &quick).await;
    let request = get("/");
    let asked = scene.ask("d", &request);
    let lost = async {
        until("B has the request", || {
            scene.node("b").gateway.metrics().upstream_connects.get() == 1
        })
        .await;
        scene.says("d").lost.insert(cluster("b"));
        Instant::now()
    };
    let (answer, lost) = tokio::join!(asked, lost);
    assert_eq!(answer.text(), "quick");
    assert!(lost.elapsed() < Duration::from_secs(1), "it took {:?}", lost.elapsed());
    drop(gate);
}

#[tokio::test]
async fn a_post_waits_for_the_neighbour_that_has_it() {
    let mut scene = diamond().await;
    let (gate, opened) = watch::channel(false);
    let slow = slow_origin(opened).await;
    let quick = Origin::named("quick").await;
    scene.serve_at("b", slow).await;
    scene.serve("a", &quick).await;
    let request = with_body("POST", "/", "order");
    let asked = scene.ask("d", &request);
    let lost = async {
        until("B has the request", || {
            scene.node("b").gateway.metrics().upstream_connects.get() == 1
        })
        .await;
        scene.says("d").lost.insert(cluster("b"));
        gate.send_replace(true);
    };
    let (answer, ()) = tokio::join!(asked, lost);
    assert_eq!(answer.text(), "slow");
    assert!(quick.seen().is_empty());
}

#[tokio::test]
async fn a_way_that_breaks_behind_a_neighbour_is_left_as_soon_as_the_neighbour_knows() {
    let mut scene = diamond().await;
    let (gate, opened) = watch::channel(false);
    let slow = slow_origin(opened).await;
    scene.serve_at("a", slow).await;
    let quick = Origin::named("quick").await;
    scene.serve("c", &quick).await;
    let request = get("/");
    let asked = scene.ask("d", &request);
    let lost = async {
        until("A has the request", || {
            scene.node("a").gateway.metrics().upstream_connects.get() == 1
        })
        .await;
        // B has lost A, and D knows nothing of it.
        scene.says("b").lost.insert(cluster("a"));
        Instant::now()
    };
    let (answer, lost) = tokio::join!(asked, lost);
    assert_eq!(answer.text(), "quick");
    assert!(lost.elapsed() < Duration::from_secs(1), "it took {:?}", lost.elapsed());
    drop(gate);
}

/// The first half of an answer whose length is known, or isn't.
const HALVES: [&[u8]; 2] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
];

#[tokio::test]
async fn an_answer_that_breaks_off_costs_a_try_where_another_way_gives_it_whole() {
    for half in HALVES {
        let mut scene = diamond().await;
        let broken = Origin::start(|_| Act::RawThenClose(half.to_vec())).await;
        let whole = Origin::named("whole").await;
        scene.serve("b", &broken).await;
        scene.serve("a", &whole).await;
        let answer = scene.ask("d", &get("/")).await;
        assert_eq!((answer.status(), answer.text()), (200, "whole".to_owned()));
        assert_eq!((broken.seen().len(), whole.seen().len()), (1, 1));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_reason_to_ask_again_for_what_may_not_be_repeated() {
    let mut scene = diamond().await;
    let broken = Origin::start(|_| Act::RawThenClose(HALVES[0].to_vec())).await;
    let whole = Origin::named("whole").await;
    scene.serve("b", &broken).await;
    scene.serve("a", &whole).await;
    let answer = scene.ask("d", &with_body("POST", "/", "order")).await;
    assert_eq!((answer.text(), answer.complete), ("half".to_owned(), false));
    assert!(whole.seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_comes_slowly_is_passed_on_as_it_comes() {
    let mut scene = diamond().await;
    let unending = Origin::start(|_| Act::Raw(HALVES[1].to_vec())).await;
    scene.serve("b", &unending).await;
    let mut client = scene.node("d").gateway.client().await;
    client.send(get("/")).await;
    let half = async {
        let mut seen = Vec::new();
        while !seen.windows(4).any(|four| four == b"half") {
            assert!(client.stream.read_buf(&mut seen).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(PATIENCE, half).await.unwrap();
}

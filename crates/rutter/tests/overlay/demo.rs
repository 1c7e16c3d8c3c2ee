//! The demonstration is a test of itself: it ends with an error where what it shows isn't so.

use crate::namespace::Namespace;
use crate::support::{ends, stderr, stdout};

#[test]
fn the_demo_shows_a_failover_and_leaves_nothing() {
    if Namespace::new().is_none() {
        println!("skipped: this user may not make network namespaces");
        return;
    }
    let output = ends(&["demo", "overlay"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let told = stdout(&output);
    for word in [
        "172.16.99.0/24 via 10.100.0.3 dev br-prod proto openr metric 100",
        "172.16.99.0/24 via 10.100.0.2 dev br-prod proto openr metric 200",
        "MOVED: peer/host-3 -> peer/host-2",
        "no route leads to nobody",
    ] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
}

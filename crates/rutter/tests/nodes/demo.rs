//! The demonstration is a test of itself: it ends with an error where what it shows isn't so.

use crate::net::namespace::Namespace;
use crate::support::{ends, stderr, stdout};

#[test]
fn the_demo_shows_approval_failover_and_drain_and_leaves_nothing() {
    if Namespace::new().is_none() {
        println!("skipped: this user may not make network namespaces");
        return;
    }
    let output = ends(&["demo", "nodes"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let told = stdout(&output);
    for word in [
        "unapproved",
        "approved by local command: the lab",
        "10.1.0.0/24 via 10.66.0.2 dev eth0",
        "10.1.0.0/24 via 10.66.0.3 dev eth0",
        "10.1.0.0/24 is r1's now",
        "r2 is drained: nothing is sent to it any more",
        "MOVED: ",
    ] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
}

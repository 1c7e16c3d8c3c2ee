//! The demonstration is a test of itself: it ends with an error where what it shows isn't so.

use crate::support::{ends, stderr, stdout};

#[test]
fn the_demo_shows_a_death_a_policy_and_a_new_key_and_no_request_fails() {
    let output = ends(&["demo", "fabric"]);
    let told = stdout(&output);
    assert!(output.status.success(), "{told}{}", stderr(&output));
    for word in [
        "It is killed (SIGKILL",
        "and has the service by c alone",
        "the routes stand",
        "the header was dropped",
        "fabric: a by neighbour/",
        "not one failed",
    ] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
}

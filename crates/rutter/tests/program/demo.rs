//! The demonstration is a test of itself: it ends with an error where what it shows isn't so.

use crate::support::{Running, ends, rutter, stderr, stdout};

#[test]
fn the_demo_shows_a_failover_and_leaves_nothing() {
    let output = ends(&["demo"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let told = stdout(&output);
    for word in [
        "by the direct way\"",
        "GET /slow  200  \"hello from alice's machine, by the tunnel\"",
        "20 answered by the tunnel",
        "connects in a row failed",
        "decided by standing; cause: a health verdict",
        "decided by priority; cause: a health verdict",
        "no failed request",
    ] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
    let data = told.lines().next().unwrap().split("data in ").nth(1).unwrap();
    let data = data.trim_end_matches('.');
    assert!(data.contains("rutter-demo-"), "{data}");
    assert!(!std::path::Path::new(data).exists(), "{data} is left");
}

#[test]
fn kept_it_can_be_looked_at_from_another_shell() {
    let mut demo = Running::start(&mut rutter(&["demo", "--keep"]));
    let data = demo.says("export RUTTER_DATA=");
    let data = data.split('=').nth(1).unwrap().trim().to_owned();
    demo.says("Ctrl-C ends it all");
    let told = rutter(&["routes", "explain", "alice.localhost"])
        .env("RUTTER_DATA", &data)
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", stderr(&told));
    let told = stdout(&told);
    for word in ["in services", "in gateway/services", "MOVED: agent/", "MOVED: tunnel/"] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
    demo.signal("-INT");
    assert!(demo.end().success(), "{}", demo.said());
    assert!(!std::path::Path::new(&data).exists(), "{data} is left");
}

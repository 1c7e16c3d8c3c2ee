//! Nodes by the command line: users, keys, the policy and its reload.

use crate::support::{Up, ends, stderr, stdout};

const POLICY: &str = r#"{
  "groups": { "group:net": ["alice@"] },
  "tagOwners": { "tag:router": ["group:net"] },
  "autoApprovers": { "routes": { "10.0.0.0/8": ["tag:router"] } },
}
"#;

fn file(policy: &std::path::Path, more: &str) -> String {
    format!(
        "controller:\nnodes: {{policy: '{}'{more}}}\n\
         listeners: {{api: '127.0.0.1:0', link: '127.0.0.1:0'}}\n",
        policy.display()
    )
}

fn start() -> (Up, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.hujson");
    std::fs::write(&policy, POLICY).unwrap();
    let text = file(&policy, "");
    (Up::run(dir, &text), policy)
}

#[test]
fn a_policy_is_tried_taken_by_a_reload_and_kept_when_the_next_is_broken() {
    let (up, policy) = start();
    let path = policy.to_string_lossy().into_owned();
    assert_eq!(up.text(&["policy", "show"]), POLICY);
    assert_eq!(up.text(&["policy", "diff", &path]), "nothing would change\n");
    let checked = up.json(&["policy", "check", &path]);
    assert_eq!((&checked["groups"], &checked["grants"]), (&1.into(), &0.into()), "{checked}");

    let other = POLICY.replace("10.0.0.0/8", "10.1.0.0/16");
    std::fs::write(&policy, &other).unwrap();
    assert_eq!(up.text(&["policy", "show"]), POLICY, "nobody has said so yet");
    let told = up.text(&["reload"]);
    assert!(told.contains("nodes.policy: ") && !told.contains("restart)"), "{told}");
    assert_eq!(up.text(&["policy", "show"]), other);

    std::fs::write(&policy, "{ \"gruops\": {} }").unwrap();
    for command in [["policy", "check", &path], ["policy", "diff", &path]] {
        let refused = up.command(&command);
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        let told = stderr(&refused);
        assert!(told.contains("policy.hujson:1:3") && told.contains("`groups`"), "{told}");
    }
    let refused = up.command(&["reload"]);
    assert!(stderr(&refused).contains("policy.hujson:1:3: unknown key"), "{}", stderr(&refused));
    assert_eq!(up.text(&["policy", "show"]), other, "the last one stands");

    // What can change does, and what can't is named.
    std::fs::write(&policy, &other).unwrap();
    std::fs::write(up.file(), file(&policy, ", preempt: false, keepalive: 2s, dead: 6s")).unwrap();
    let told = up.text(&["reload"]);
    assert!(told.contains("nodes.preempt: true -> false\n"), "{told}");
    assert!(told.contains("nodes.keepalive: 1s -> 2s  (needs a restart)"), "{told}");
    assert!(!up.text(&["reload"]).contains("preempt"));
}

#[test]
fn users_and_keys_are_made_listed_and_ended() {
    let (up, _policy) = start();
    let refused = up.command(&["users", "create", "alice"]);
    assert!(stderr(&refused).contains("alice@"), "{}", stderr(&refused));
    assert_eq!(up.text(&["users", "create", "alice@"]), "alice@ may have nodes\n");
    let told = up.text(&["preauthkeys", "create", "--user", "alice@", "--reusable"]);
    assert!(told.contains("rutter agent --join 'http://127.0.0.1:"), "{told}");
    let made = up.json(&[
        "preauthkeys",
        "create",
        "--user",
        "alice@",
        "--tag",
        "tag:router",
        "--ttl",
        "0s",
    ]);
    assert_eq!(made["key"]["tags"], serde_json::json!(["tag:router"]), "{made}");
    assert_eq!(made["key"].get("expires_ms"), None, "{made}");
    let refused = up.command(&["preauthkeys", "create", "--user", "alice@", "--tag", "tag:other"]);
    assert!(stderr(&refused).contains("tag:other"), "{}", stderr(&refused));
    let id = made["key"]["id"].as_str().unwrap().to_owned();
    assert!(up.text(&["preauthkeys", "expire", &id]).contains("opens nothing any more"));
    let all = up.json(&["preauthkeys", "list"]);
    let of = |id: &str| all.as_array().unwrap().iter().find(|key| key["id"] == *id).cloned();
    assert!(of(&id).unwrap()["revoked_ms"].is_u64(), "{all}");
    assert!(!all.to_string().contains(made["secret"].as_str().unwrap()), "a secret is told once");
    assert_eq!(up.text(&["users", "rename", "alice@", "ann@"]), "alice@ is ann@ now\n");
    assert_eq!(up.json(&["preauthkeys", "list"])[0]["user"], "ann@");
    assert_eq!(up.text(&["users", "delete", "ann@"]), "ann@ is removed\n");
    assert_eq!(up.json(&["preauthkeys", "list"]), serde_json::json!([]));
    assert!(up.text(&["nodes", "list"]).contains("rutter preauthkeys create"));
    assert_eq!(up.text(&["nodes", "pending"]), "nobody waits\n");
}

#[test]
fn a_sites_network_is_translated_both_ways_without_a_controller() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_string_lossy().into_owned();
    let via = |arguments: &[&str]| ends(&[&["via", "--data", &data], arguments].concat());
    let prefix = "fd7a:115c:a1e0:b1a:0:7:a01:100/120";
    assert_eq!(stdout(&via(&["7", "10.1.1.0/24"])), format!("{prefix}\n"));
    assert_eq!(stdout(&via(&[prefix])), "site 7, 10.1.1.0/24\n");
    let told: serde_json::Value =
        serde_json::from_slice(&via(&["7", "10.1.1.16/32", "--output", "json"]).stdout).unwrap();
    assert_eq!(told["name"], "10-1-1-16-via-7");
    for (arguments, says) in [
        (&["7"][..], "which network of site 7?"),
        (&["65536", "10.0.0.0/8"], "0 to 65535"),
        (&["7", "fd00::/8"], "an IPv4 network"),
        (&["fd00::/64"], "fd7a:115c:a1e0:b1a::/64"),
    ] {
        let refused = via(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&refused).contains(says), "{}", stderr(&refused));
    }
}

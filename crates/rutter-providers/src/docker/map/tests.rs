use serde_json::json;

use super::*;

fn listed(value: serde_json::Value) -> ContainerSummary {
    serde_json::from_value(value).unwrap()
}

fn app() -> serde_json::Value {
    json!({
        "Id": "8dfafdbc3a40",
        "Names": ["/proxy/backend", "/app"],
        "Image": "ghcr.io/me/app:1",
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"PrivatePort": 53, "Type": "udp"},
            {"PrivatePort": 9, "PublicPort": 0, "Type": "sctp"},
        ],
        "Labels": {"proxy.exclude": "no"},
        "State": "running",
        "Status": "Up 5 minutes",
        "HostConfig": {"NetworkMode": "shop_default"},
        "NetworkSettings": {"Networks": {
            "front": {"IPAddress": "172.18.0.5", "GlobalIPv6Address": "fd00::5"},
            "six": {"IPAddress": "", "GlobalIPv6Address": "fd00::6"},
            "down": {"IPAddress": "", "GlobalIPv6Address": ""},
        }},
        "Mounts": [{"Type": "volume", "Name": "data", "Destination": "/data", "RW": true}],
    })
}

#[test]
fn a_listed_container() {
    let container = container(listed(app()), None).unwrap();
    assert_eq!(container.id.as_str(), "8dfafdbc3a40");
    assert_eq!(container.name(), "app");
    assert_eq!(container.labels.get("proxy.exclude").map(String::as_str), Some("no"));
    let web = Port { private: 80, public: Some(8080), protocol: Protocol::Tcp };
    let dns = Port { private: 53, public: None, protocol: Protocol::Udp };
    assert_eq!(container.ports, [dns, web]);
    let addresses: Vec<String> =
        container.networks.iter().map(|(name, address)| format!("{name} {address}")).collect();
    assert_eq!(addresses, ["front 172.18.0.5", "six fd00::6"]);
    assert_eq!(container.mounts, ["/data"]);
    assert!(!container.is_on_host_network);
}

#[test]
fn on_the_hosts_network_ports_are_those_that_the_image_exposes() {
    let mut on_host = app();
    on_host["HostConfig"]["NetworkMode"] = json!("host");
    on_host["Ports"] = json!([]);
    let listed = listed(on_host);
    assert!(is_on_host_network(&listed));
    let inspected = serde_json::from_value(json!({
        "Id": "8dfafdbc3a40",
        "Config": {"ExposedPorts": {"8080/tcp": {}, "53/udp": {}, "9/sctp": {}, "x/tcp": {}}},
    }));
    let exposed = exposed(&inspected.unwrap());
    let container = container(listed, Some(exposed)).unwrap();
    let web = Port { private: 8080, public: Some(8080), protocol: Protocol::Tcp };
    let dns = Port { private: 53, public: Some(53), protocol: Protocol::Udp };
    assert_eq!(container.ports, [dns, web]);
    assert!(container.is_on_host_network);
}

#[test]
fn a_container_without_id_or_name_is_none() {
    for gone in ["Id", "Names"] {
        let mut value = app();
        value.as_object_mut().unwrap().remove(gone);
        assert!(container(listed(value), None).is_none(), "{gone}");
    }
}

#[test]
fn what_an_engine_knows_of_health() {
    let health = |state: &str, status: &str, own: Option<&str>| {
        let mut value = app();
        value["State"] = json!(state);
        value["Status"] = json!(status);
        if let Some(own) = own {
            value["Health"] = json!({"Status": own, "FailingStreak": 0});
        }
        health(&listed(value)).map(|seen| (seen.status, seen.detail))
    };
    let status = |state, status, own| health(state, status, own).map(|(status, _)| status);
    use HealthStatus::{Healthy, Starting, Unhealthy};
    assert_eq!(status("running", "Up 5 minutes", None), None);
    assert_eq!(status("running", "Up 5 minutes (healthy)", None), Some(Healthy));
    assert_eq!(status("running", "Up 5 minutes (unhealthy)", None), Some(Unhealthy));
    assert_eq!(status("running", "Up 1 second (health: starting)", None), Some(Starting));
    // What a newer engine says by itself comes first.
    assert_eq!(status("running", "Up 5 minutes (healthy)", Some("unhealthy")), Some(Unhealthy));
    assert_eq!(status("running", "Up 5 minutes", Some("healthy")), Some(Healthy));
    assert_eq!(status("running", "Up 5 minutes", Some("none")), None);
    // One that doesn't run is not well, whatever its last check found.
    let words = ["created", "paused", "restarting", "exited", "removing", "dead"];
    for word in words {
        let want = (Unhealthy, format!("container is {word}"));
        assert_eq!(health(word, "Exited (0) 2 days ago (healthy)", None), Some(want));
    }
}

#[test]
fn what_the_last_health_check_printed() {
    let detail = |output: &str| {
        let value = json!({"State": {"Health": {"Status": "unhealthy", "Log": [
            {"Start": "2026-01-01T00:00:00Z", "ExitCode": 1, "Output": "old"},
            {"Start": "2026-01-01T00:00:05Z", "ExitCode": 1, "Output": output},
        ]}}});
        detail(&serde_json::from_value(value).unwrap())
    };
    assert_eq!(detail("\n  refused\u{7}  \nmore\n").as_deref(), Some("refused"));
    assert_eq!(detail(" \n"), None);
    assert_eq!(detail(&"x".repeat(10_000)).map(|text| text.len()), Some(MAX_DETAIL));
    assert_eq!(super::detail(&ContainerInspectResponse::default()), None);
}

#[test]
fn events_say_whose_state_to_ask_for() {
    let changed = |of: &str, action: &str| {
        let event = json!({
            "Type": of, "Action": action,
            "Actor": {"ID": "8dfa", "Attributes": {"container": "c0ffee", "name": "app"}},
        });
        let changed = changed(serde_json::from_value(event).unwrap())?;
        let shown = changed.shown.map(|(word, name)| format!(" {word} {name}"));
        Some(format!("{}{}", changed.id.as_str(), shown.unwrap_or_default()))
    };
    let said = |action: &str| changed("container", action);
    for (action, word) in ACTIONS {
        assert_eq!(said(action), Some(format!("8dfa {word} app")));
    }
    for action in ["health_status: healthy", "health_status:unhealthy"] {
        assert_eq!(said(action).as_deref(), Some("8dfa"), "{action}");
    }
    assert_eq!(changed("network", "connect").as_deref(), Some("c0ffee"));
    for (of, action) in [
        ("container", "exec_start: sh -c pause"),
        ("container", "connect"),
        ("network", "create"),
        ("image", "start"),
    ] {
        assert_eq!(changed(of, action), None, "{of} {action}");
    }
    assert_eq!(super::changed(EventMessage::default()), None);
}

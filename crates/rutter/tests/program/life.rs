//! From `up` to its end: join, register, serve, look, restart.

use crate::support::origin::Origin;
use crate::support::visit::{get, served, unserved, visitor};
use crate::support::{Running, Up, ends, rutter, stderr, stdout, up};

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_line_to_the_first_page() {
    let origin = Origin::start("alice's page").await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut process = Running::start(&mut up(&data, &[]));
    process.says("rutter agent --join");
    let printed = process.said().to_owned();
    assert!(printed.contains("Admin token, shown this once: rtk_"), "{printed}");

    // The line as it is printed, with another port.
    let line = printed.lines().find(|line| line.contains("rutter agent --join")).unwrap();
    let state = dir.path().join("agent").to_string_lossy().into_owned();
    let join = line.split('\'').nth(1).unwrap().to_owned();
    let service = format!("web={}", origin.address);
    let arguments = ["agent", "--join", &join, "--name", "alice", "--service", &service];
    let mut agent = Running::start(rutter(&arguments).args(["--state", &state]));
    agent.says("registered web.alice.localhost");

    let gateway = printed.lines().find(|line| line.trim().starts_with("gateway")).unwrap();
    let gateway = gateway.rsplit('/').next().unwrap().parse().unwrap();
    let answer = served(gateway, "web.alice.localhost").await;
    assert_eq!(answer, (200, "alice's page".to_owned()));
    assert!(agent.terminate().success());
    unserved(gateway, "web.alice.localhost").await;
    assert!(process.terminate().success(), "{}", process.said());
    assert!(!data.join("run.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_tell_what_there_is() {
    let origin = Origin::start("page").await;
    let up = Up::start();
    let direct = format!("{},health=/", origin.address);
    let tunnel = format!("{},source=tunnel", origin.address);
    let _agent = up.agent("alice", &[&direct, &tunnel]);
    assert_eq!(served(up.gateway(), "alice.localhost").await.0, 200);

    let routes = up.json(&["routes", "list"]);
    let standing: Vec<_> = routes.as_array().unwrap().iter().map(|r| &r["standing"]).collect();
    assert_eq!(standing, ["eligible", "eligible"]);
    let text = up.text(&["routes", "list", "alice.localhost"]);
    assert!(text.starts_with("DESTINATION"), "{text}");
    assert!(text.contains("eligible, best"), "{text}");

    let told = up.json(&["routes", "explain", "alice.localhost"]);
    let tables: Vec<_> = told.as_array().unwrap().iter().map(|t| &t["table"]).collect();
    assert_eq!(tables, ["services", "gateway/services"]);
    let told = up.text(&["routes", "explain", "alice.localhost"]);
    for word in ["best: agent/", "then: tunnel/", "behind by priority: 2 against 1", "Candidates"] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
    let unknown = up.command(&["routes", "explain", "bob.localhost"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("bob.localhost"), "{}", stderr(&unknown));

    let api = up.run_file()["api"].as_str().unwrap().to_owned();
    let token = std::fs::read_to_string(up.data.join("admin.token")).unwrap();
    let metrics = visitor(None).get(format!("{api}/metrics")).bearer_auth(token.trim());
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for line in
        ["rutter_gateway_answers_total{status=\"2xx\"} 1", "rutter_gateway_failovers_total 0"]
    {
        assert!(metrics.contains(line), "no `{line}` in:\n{metrics}");
    }

    let domains = up.json(&["domains", "list"]);
    assert_eq!(domains[0]["domain"], "alice.localhost");
    up.text(&["domains", "add", "bob"]);
    up.text(&["domains", "remove", "bob"]);
    assert_eq!(up.json(&["domains", "list"]).as_array().unwrap().len(), 1);

    let made = up.json(&["tokens", "create", "ci", "--scope", "read", "--ttl", "1h"]);
    let id = made["token"]["id"].as_str().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("rtk_"));
    assert!(up.text(&["tokens", "list"]).contains(id));
    up.text(&["tokens", "revoke", id]);
    assert!(up.text(&["tokens", "list"]).contains("revoked"));
    assert!(up.text(&["tokens", "list", "--kind", "join"]).contains("used"));
    // The agent has a key of its own, and no token.
    assert_eq!(up.json(&["tokens", "list", "--kind", "agent"]).as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_asks_with_url_and_token() {
    let up = Up::start();
    let api = up.run_file()["api"].as_str().unwrap().to_owned();
    let made = up.json(&["tokens", "create", "ci", "--scope", "read"]);
    let nowhere = tempfile::tempdir().unwrap();
    let ask = |token: &str, arguments: &[&str]| {
        let mut command = rutter(arguments);
        command.env("RUTTER_DATA", nowhere.path()).env("RUTTER_URL", &api);
        command.env("RUTTER_TOKEN", token).output().unwrap()
    };
    let secret = made["secret"].as_str().unwrap();
    let good = ask(secret, &["routes", "list"]);
    assert!(good.status.success(), "{}", stderr(&good));
    let forbidden = ask(secret, &["domains", "list"]);
    assert_eq!(forbidden.status.code(), Some(1));
    assert!(stderr(&forbidden).contains("scope `admin`"), "{}", stderr(&forbidden));
    let wrong = ask("rtk_wrong", &["routes", "list"]);
    assert!(stderr(&wrong).contains("Check RUTTER_TOKEN"), "{}", stderr(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_speaks_mesh_router_by_the_originals_environment() {
    let origin = Origin::start("page").await;
    let up = Up::start();
    let made = up.json(&["domains", "add", "alice"]);
    let word = |key: &str| made[key].as_str().unwrap().to_owned();
    let api = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
    let provider = format!("{api},{},{}", word("user_id"), word("signature"));
    let mut command = rutter(&["agent"]);
    command.env("PROVIDER", provider).env("PUBLIC_IP", "127.0.0.1");
    command.env("TARGET_PORT", origin.address.port().to_string());
    let mut agent = Running::start(&mut command);
    agent.says("registered ");
    assert_eq!(up.json(&["routes", "list"])[0]["source"], format!("agent/{}", word("user_id")));
    assert!(!agent.said().contains(&word("signature")), "{}", agent.said());
    assert!(agent.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_ends_after_the_agent_beside_it() {
    let origin = Origin::start("page").await;
    let first = Up::start();
    let join = first.json(&["tokens", "join"])["join"].as_str().unwrap().to_owned();
    let port = join.split(['#', ':']).nth(2).unwrap().to_owned();
    let mut first = first;
    first.process.terminate();
    let file = format!(
        "controller:\ngateway:\nlisteners:\n  api: 127.0.0.1:{port}\n  link: 127.0.0.1:0\n  gateway: {{http: '127.0.0.1:0'}}\n\
         agent: {{join: '{join}', name: alice, services: ['{}']}}\n",
        origin.address
    );
    let mut all = Up::run(first.leave(), &file);
    all.process.says("registered alice.localhost");
    assert_eq!(served(all.gateway(), "alice.localhost").await.0, 200);
    assert!(all.process.terminate().success());
    let said = all.process.said();
    assert!(said.contains("withdrawn n_routes=1"), "{said}");
}

#[test]
fn every_command_teaches_by_examples() {
    let help = |arguments: &[&str]| {
        let output = ends(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    let commands = ["up", "run", "agent", "domains", "members", "tokens", "routes", "check"];
    for command in commands.into_iter().chain(["demo", "reload", "completions"]) {
        assert!(help(&[command, "--help"]).contains("Examples:\n"), "{command}");
    }
    assert!(help(&["--help"]).contains("rutter demo"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(help(&["completions", shell]).contains("explain"), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_stands_and_what_changes() {
    let up = Up::start();
    let data = up.data.to_string_lossy().into_owned();
    let mut watch = Running::start(&mut rutter(&["--data", &data, "routes", "watch"]));
    watch.says("end of snapshot");
    let mut agent = up.agent("alice", &["127.0.0.1:1"]);
    let line = watch.says("advertise alice.localhost");
    assert!(line.contains("via http://127.0.0.1:1 (eligible)"), "{line}");
    agent.terminate();
    watch.says("withdraw alice.localhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_is_there_after_a_kill() {
    let origin = Origin::start("page").await;
    let mut first = Up::start();
    let mut agent = first.agent("alice", &[&origin.address.to_string()]);
    let token = std::fs::read(first.data.join("admin.token")).unwrap();
    // The agent first: nobody renews what is looked for afterwards.
    agent.kill();
    first.process.kill();
    let after = first.command(&["routes", "list"]);
    assert!(stderr(&after).contains("no controller runs here"), "{}", stderr(&after));

    let second = Up::start_in(first.leave(), &[]);
    assert_eq!(get(second.gateway(), "alice.localhost").await, (200, "page".to_owned()));
    assert_eq!(std::fs::read(second.data.join("admin.token")).unwrap(), token);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_prints_nothing_and_logs_may_be_json() {
    let dir = tempfile::tempdir().unwrap();
    let mut up = Up::start_in(dir, &["--quiet", "--log-format", "json"]);
    up.process.terminate();
    for line in up.process.said().lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(event["level"].is_string(), "{line}");
    }
}

/// An address of this machine that isn't loopback's first: TLS is for all but loopback, so the
/// test needs one beyond; a machine without has nothing to show.
fn address_beyond_loopback() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_all_is_tls_and_the_join_line_has_the_pin() {
    let Some(ip) = address_beyond_loopback() else {
        eprintln!("this machine has no address beyond loopback: nothing to test");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start_in(dir, &["--listen", &ip.to_string()]);
    let run = up.run_file();
    for url in [&run["api"], &run["gateway"][0], &run["mesh_router"]] {
        assert!(url.as_str().unwrap().starts_with(&format!("https://{ip}:")), "{run}");
    }
    // The command believes the CA of the data directory, the agent the pin.
    up.text(&["routes", "list"]);
    let join = up.json(&["tokens", "join"])["join"].as_str().unwrap().to_owned();
    let (_, pin) = join.rsplit_once('.').unwrap();
    assert_eq!(pin.len(), 64, "{join}");
    let state = up.path().join("agent").to_string_lossy().into_owned();
    let arguments = ["agent", "--join", &join, "--name", "alice", "--state", &state];
    let mut agent = rutter(&arguments);
    let agent = agent.args(["--address", &ip.to_string(), "--service", "127.0.0.1:3000"]);
    let line = Running::start(agent).says("registered alice.localhost");
    assert!(line.contains(&format!("http://{ip}:3000")), "{line}");

    let gateway = run["gateway"][0].as_str().unwrap();
    let request = visitor(run["ca"].as_str()).get(gateway).header("host", "nobody.localhost");
    assert_eq!(request.send().await.unwrap().status().as_u16(), 404);
    let stranger = visitor(None).get(gateway).send().await;
    assert!(stranger.is_err(), "a stranger believed the certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_observes_says_what_it_would_do_and_does_nothing() {
    let origin = Origin::start("page").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = format!(
        "controller:\ngateway: {{mode: observe}}\nlisteners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  \
         gateway: {{http: '{}'}}\n",
        taken.local_addr().unwrap()
    );
    // The address is somebody else's, who goes on having it.
    let mut up = Up::run(tempfile::tempdir().unwrap(), &file);
    assert_eq!(up.run_file()["gateway"].as_array().unwrap().len(), 0);
    let direct = format!("{},health=/", origin.address);
    let mut agent = up.agent("alice", &[&direct]);
    let said = up.process.says("would change");
    for word in ["gateway/gateway", "alice.localhost", "before=\"nothing\"", "after=\"agent/"] {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    let told = up.json(&["routes", "explain", "alice.localhost"]);
    assert_eq!(told.as_array().unwrap().len(), 2, "it ranks in a table of its own: {told}");
    assert!(agent.terminate().success());
    let said = up.process.says("would change");
    assert!(said.contains("after=\"nothing\""), "{said}");

    let api = up.run_file()["api"].as_str().unwrap().to_owned();
    let token = std::fs::read_to_string(up.data.join("admin.token")).unwrap();
    let metrics = visitor(None).get(format!("{api}/metrics")).bearer_auth(token.trim());
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for line in ["rutter_observed_differences_total 2", "rutter_observed_destinations 0"] {
        assert!(metrics.contains(line), "no `{line}` in:\n{metrics}");
    }
    for unused in ["upstream_connects", "probes_good", "connections"] {
        let line = format!("rutter_gateway_{unused}_total 0");
        assert!(metrics.contains(&line), "no `{line}` in:\n{metrics}");
    }
    assert!(up.process.terminate().success());
}

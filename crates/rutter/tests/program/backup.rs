//! What is backed up lives elsewhere.

use std::path::Path;

use serde_json::json;
use sqlx::{ConnectOptions, Connection};

use crate::support::origin::Origin;
use crate::support::visit::{served, visitor};
use crate::support::{Running, Up, ends, rutter, stderr, stdout};

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn port(url: &serde_json::Value) -> String {
    url.as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_restored_elsewhere_knows_its_agents_by_their_keys() {
    let origin = Origin::start("page").await;
    let mut up = Up::start();
    let agent = up.agent("alice", &[&origin.address.to_string()]);
    let made = up.json(&["domains", "add", "bob"]);
    let file = text(&up.path().join("rutter.backup"));
    let taken = up.json(&["backup", &file]);
    assert_eq!(taken["files"].as_array().unwrap().len(), 2);
    let again = up.command(&["backup", &file]);
    assert!(stderr(&again).contains("such a file already"), "{}", stderr(&again));
    let refused = up.command(&["restore", "--force", &file]);
    assert!(stderr(&refused).contains("stop that one first"), "{}", stderr(&refused));
    let run = up.run_file();
    let join = up.json(&["tokens", "join"])["join"].as_str().unwrap().to_owned();
    assert!(up.process.terminate().success());

    // As on another machine that has got the first one's address.
    let elsewhere = text(&up.path().join("elsewhere"));
    let restored = ends(&["--data", &elsewhere, "restore", &file]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert!(stdout(&restored).contains("elsewhere holds the registry of rutter"));
    let (api, mesh_router) = (port(&run["api"]), port(&run["mesh_router"]));
    let ports = ["--api-port", &api, "--mesh-router-port", &mesh_router, "--http-port", "0"];
    let mut arguments = vec!["up", "--data", &elsewhere];
    arguments.extend(ports);
    let mut second = Running::start(&mut rutter(&arguments));
    second.says("ready");
    let list = ends(&["--data", &elsewhere, "--output", "json", "domains", "list"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");

    // The agent that ran all the while is served, and bob's signature is good.
    let text = std::fs::read_to_string(Path::new(&elsewhere).join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&text).unwrap();
    let gateway = run["gateway"][0].as_str().unwrap().trim_start_matches("http://").to_owned();
    let gateway = gateway.parse().unwrap();
    assert_eq!(served(gateway, "alice.localhost").await, (200, "page".to_owned()));
    let word = |key: &str| made[key].as_str().unwrap().to_owned();
    let url = format!(
        "{}/routes/{}/{}",
        run["mesh_router"].as_str().unwrap(),
        word("user_id"),
        word("signature")
    );
    let routes = json!({ "routes": [{ "ip": "127.0.0.1", "port": origin.address.port(),
        "scheme": "http", "priority": 1, "source": "agent" }] });
    let answer = visitor(None).post(url).json(&routes).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(served(gateway, "bob.localhost").await.0, 200);
    drop(agent);
    // And anew, with the identity that it has kept; the token alone would be of no use here, since
    // it was made after the backup.
    let _agent = {
        let state = crate::backup::text(&up.path().join("agent"));
        let service = origin.address.to_string();
        let all =
            ["agent", "--join", &join, "--name", "alice", "--state", &state, "--service", &service];
        let mut agent = Running::start(&mut rutter(&all));
        agent.says("registered ");
        agent
    };
    assert!(second.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_refuses_before_it_changes_anything() {
    let mut up = Up::start();
    let file = text(&up.path().join("rutter.backup"));
    assert!(up.process.terminate().success());
    let registry = up.data.join("registry.db");
    let mut c = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&registry)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Delete)
        .connect()
        .await
        .unwrap();
    for statement in [
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'from the future', 1, x'00', 0)",
        "UPDATE written_by SET version = '7.0.0'",
    ] {
        sqlx::query(statement).execute(&mut c).await.unwrap();
    }
    c.close().await.unwrap();
    let contents = || {
        let mut all: Vec<_> = std::fs::read_dir(&up.data)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().is_some_and(|name| name != "lock"))
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        all.sort();
        all
    };
    let before = contents();
    for arguments in [vec!["up", "--api-port", "0", "--http-port", "0"], vec!["backup", &file]] {
        let refused = up.command(&arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let said = stderr(&refused);
        for word in ["a newer version of rutter (7.0.0, schema 9000", "run that version"] {
            assert!(said.contains(word), "no `{word}` in: {said}");
        }
        assert_eq!(contents(), before, "{arguments:?} changed something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_lies_in_a_data_directory_is_backed_up_or_known_to_be_of_its_machine() {
    use rutter_registry::backup::{KEPT, LOCAL};
    let origin = Origin::start("page").await;
    let up = Up::start();
    let _agent = up.agent("alice", &[&origin.address.to_string()]);
    let found = std::fs::read_dir(&up.data).unwrap().map(|entry| entry.unwrap().file_name());
    for name in found.map(|name| name.to_string_lossy().into_owned()) {
        // Of what lies in a folder each has its own line.
        let is = |listed: &&str| **listed == name || listed.starts_with(&format!("{name}/"));
        let known = KEPT.iter().chain(&LOCAL).any(is);
        assert!(known, "`{name}` is neither kept by a backup nor of this machine: decide");
    }
}

//! The four errors that a newcomer meets, and that each says what to do.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use crate::support::{Running, Up, ends, program, rutter, stderr, up};

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for option in ["--api-port", "--http-port", "--link-port", "--mesh-router-port"] {
        let dir = tempfile::tempdir().unwrap();
        let port = address.port().to_string();
        let output = up(&dir.path().join("data"), &[option, &port]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert_says(&told, &["error: ", &address.to_string(), "another program listens", "port"]);
        assert!(!dir.path().join("data/run.json").exists(), "it left a note of running");
    }
}

#[test]
fn a_data_directory_without_permission() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o500)).unwrap();
    let data = closed.join("data").to_string_lossy().into_owned();
    // Root may do anything, so it runs as nobody; nobody may not look into everyone's build.
    let path = dir.path().join("rutter");
    if std::fs::hard_link(env!("CARGO_BIN_EXE_rutter"), &path).is_err() {
        std::fs::copy(env!("CARGO_BIN_EXE_rutter"), &path).unwrap();
    }
    let mut command = program(&path, &["up", "--data", &data, "--api-port", "0"]);
    command.args(["--http-port", "0", "--link-port", "0", "--mesh-router-port", "0"]);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_says(&stderr(&output), &["no permission to", &data, "run as its owner"]);
}

#[test]
fn a_data_directory_that_others_may_write() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let output = up(dir.path(), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_says(&stderr(&output), &["chmod 700", &dir.path().to_string_lossy()]);
}

#[test]
fn a_data_directory_in_use() {
    let first = Up::start();
    let output = up(&first.data, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let pid = first.process.pid().to_string();
    assert_says(&stderr(&output), &["in use by another process", &pid, "data directory"]);
}

#[test]
fn a_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rutter.yaml");
    std::fs::write(&file, "controller:\n  leese: 10m\n").unwrap();
    let path = file.to_string_lossy().into_owned();
    for arguments in [["check", &path].as_slice(), &["run", "--config", &path]] {
        let output = ends(arguments);
        assert_eq!(output.status.code(), Some(2));
        let told = stderr(&output);
        let place = format!("{path}:2:3: unknown key `leese`");
        // Long paths are broken by the renderer, so it is looked for without breaks.
        let unbroken: String =
            told.lines().map(|line| line.trim_start_matches([' ', '│'])).collect();
        assert!(unbroken.contains(&place), "no `{place}` in:\n{told}");
        assert_says(&told, &["did you mean `lease`?", "leese: 10m"]);
    }
    let missing = dir.path().join("none.yaml").to_string_lossy().into_owned();
    let output = ends(&["run", "--config", &missing]);
    assert_eq!(output.status.code(), Some(2));
    assert_says(&stderr(&output), &["can't be read", "name an existing file with --config"]);
}

#[test]
fn an_agent_that_does_not_reach_its_controller() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_string_lossy().into_owned();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let join = format!("http://{closed}#rtj_canary");
    let arguments = ["agent", "--join", &join, "--name", "alice", "--state", &state];
    let mut agent = Running::start(rutter(&arguments).args(["--service", "web=127.0.0.1:3000"]));
    let told = agent.says("not registered");
    assert_says(&told, &[&closed.to_string(), "refused", "is the controller running", "port"]);
    // It may start before its controller, so it goes on trying until it is ended.
    assert!(agent.terminate().success());
    assert!(!agent.said().contains("canary"), "{}", agent.said());
}

#[test]
fn an_agent_whose_token_opens_nothing() {
    let up = Up::start();
    let api = up.run_file()["api"].as_str().unwrap().to_owned();
    let state = up.path().join("agent").to_string_lossy().into_owned();
    for (join, code, words) in [
        (format!("{api}#rtj_unknown"), 1, ["join token", "make a new one on the controller"]),
        (format!("{api}#secret"), 1, ["the join URL is not valid", "rtj_"]),
        (api.clone(), 1, ["`#TOKEN` is missing", "HOST:PORT#rtj_TOKEN"]),
    ] {
        let arguments = ["agent", "--join", &join, "--name", "alice", "--state", &state];
        let output = rutter(&arguments).args(["--service", "127.0.0.1:1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{join}: {}", stderr(&output));
        assert_says(&stderr(&output), &words);
    }
}

#[test]
fn an_agent_that_was_told_nothing() {
    let output = ends(&["agent"]);
    assert_eq!(output.status.code(), Some(1));
    assert_says(&stderr(&output), &["--join 'URL#TOKEN'", "rutter up", "PROVIDER"]);
}

#[test]
fn a_command_without_a_controller() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_string_lossy().into_owned();
    let output = ends(&["--data", &data, "routes", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert_says(&stderr(&output), &[&data, "rutter up", "--data", "RUTTER_URL", "RUTTER_TOKEN"]);
    let output = ends(&["--data", &data, "reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert_says(&stderr(&output), &["no rutter runs with its data in", "--data"]);
}

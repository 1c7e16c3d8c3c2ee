use std::os::unix::fs::PermissionsExt;

use super::*;

fn identity() -> Identity {
    Identity {
        user_id: "u1".into(),
        name: "alice".into(),
        domain: "alice.localhost".into(),
        agent_token: Secret::new("rta_CANARY"),
        loopback: true,
        seen: Some("127.0.0.1".parse().unwrap()),
        spent: "00".into(),
    }
}

fn file(directory: &Path) -> StateFile {
    StateFile::new(directory, &"alice".parse().unwrap())
}

fn url(text: &str) -> JoinUrl {
    text.parse().unwrap()
}

#[test]
fn an_identity_comes_back_at_its_controller_alone() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    let (pin, other) = ("ab".repeat(32), "cd".repeat(32));
    let at = |url: &str| state.load(&self::url(url)).unwrap().map(|i| i.loopback);

    assert_eq!(at("http://127.0.0.1:1#rtj_a"), None, "nothing was written yet");
    state.save(&url("http://127.0.0.1:1#rtj_a"), &identity()).unwrap();
    assert_eq!(at("http://127.0.0.1:1#rtj_b"), Some(true));
    assert_eq!(at("http://127.0.0.1:2#rtj_a"), None, "without a pin the URL is the controller");
    assert_eq!(at(&format!("https://127.0.0.1:1#rtj_a.{pin}")), None);

    state.save(&url(&format!("https://127.0.0.1:1#rtj_a.{pin}")), &identity()).unwrap();
    assert_eq!(at(&format!("https://127.0.0.1:1#rtj_a.{pin}")), Some(true));
    assert_eq!(
        at(&format!("https://192.0.2.1:7#rtj_a.{pin}")),
        Some(false),
        "with a pin its CA is the controller; how it is reached there wasn't seen"
    );
    assert_eq!(at(&format!("https://127.0.0.1:1#rtj_a.{other}")), None);
    assert_eq!(
        at("https://127.0.0.1:1#rtj_a"),
        None,
        "its token isn't sent where no pin is checked"
    );
}

#[test]
fn a_rewrite_is_whole_private_and_clears_what_a_crash_left() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    state.prepare().unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "a probe leaves nothing");
    fs::write(state.beside(), "half of it").unwrap();
    fs::write(state.path(), "older").unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o644)).unwrap();
    state.save(&url("http://127.0.0.1:1#rtj_a"), &identity()).unwrap();
    assert_eq!(fs::metadata(state.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(state.load(&url("http://127.0.0.1:1#rtj_a")).unwrap().is_some());
}

#[test]
fn damage_is_told_without_the_token() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    let at = url("http://127.0.0.1:1#rtj_a");
    state.save(&at, &identity()).unwrap();
    let good = fs::read_to_string(state.path()).unwrap();
    let cases = [
        String::new(),
        good[..good.len() - 20].to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace("\"version\": 1", "\"version\": \"rta_CANARY\""),
        good.replace("\"loopback\"", "\"rta_CANARY\""),
        "rta_CANARY".repeat(20_000),
    ];
    for damaged in cases {
        fs::write(state.path(), &damaged).unwrap();
        let error = state.load(&at).unwrap_err();
        assert!(matches!(error, AgentError::StateDamaged { .. }), "{error}");
        let told = format!("{error} {error:?}");
        assert!(told.contains("agent-alice.json") && !told.contains("CANARY"), "{told}");
    }
}

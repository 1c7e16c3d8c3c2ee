use super::*;

/// As the form before this one has it.
fn form_1(controller: &str, pin: Option<&str>) -> String {
    serde_json::json!({
        "version": 1, "controller": controller, "pin": pin, "user_id": "u1", "name": "alice",
        "domain": "alice.localhost", "agent_token": "rta_CANARY", "loopback": true,
        "seen": "127.0.0.1", "spent": "00",
    })
    .to_string()
}

fn joined() -> Joined {
    Joined {
        address: "127.0.0.1:7071".into(),
        pin: "ab".repeat(32),
        name: "alice".into(),
        ca: "00".into(),
    }
}

fn file(directory: &Path) -> StateFile {
    StateFile::new(directory, "agent", &"alice".parse().unwrap())
}

fn url(text: &str) -> JoinUrl {
    text.parse().unwrap()
}

#[test]
fn an_identity_comes_back_at_its_controller_alone() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    let (pin, other) = ("ab".repeat(32), "cd".repeat(32));
    let at = |url: &str| {
        state.load(&self::url(url)).unwrap().map(|identity| match identity.by {
            By::Key(joined) => joined,
            By::Token(_) => panic!("{identity:?}"),
        })
    };

    assert_eq!(at("http://127.0.0.1:1#rtj_a"), None, "nothing was written yet");
    state.save(&url("http://127.0.0.1:1#rtj_a"), &joined(), "00").unwrap();
    assert_eq!(at("http://127.0.0.1:1#rtj_b"), Some(joined()));
    assert_eq!(at("http://127.0.0.1:2#rtj_a"), None, "without a pin the URL is the controller");
    assert_eq!(at(&format!("https://127.0.0.1:1#rtj_a.{pin}")), None);

    state.save(&url(&format!("https://127.0.0.1:1#rtj_a.{pin}")), &joined(), "00").unwrap();
    assert_eq!(at(&format!("https://127.0.0.1:1#rtj_a.{pin}")), Some(joined()));
    let elsewhere = format!("https://192.0.2.1:7#rtj_a.{pin}");
    assert_eq!(at(&elsewhere), Some(joined()), "with a pin its CA is the controller");
    assert_eq!(at(&format!("https://127.0.0.1:1#rtj_a.{other}")), None);
    assert_eq!(at("https://127.0.0.1:1#rtj_a"), None, "where no pin is checked it is another");
}

#[test]
fn the_form_of_before_is_read_and_its_token_goes_to_its_controller_alone() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    let pin = "ab".repeat(32);
    let at = |url: &str| {
        state.load(&self::url(url)).unwrap().map(|identity| match identity.by {
            By::Token(http) => (http.agent_token, http.loopback, http.seen.is_some()),
            By::Key(_) => panic!("{identity:?}"),
        })
    };
    let token = || Secret::new("rta_CANARY");
    fs::write(state.path(), form_1("http://127.0.0.1:1", None)).unwrap();
    assert_eq!(at("http://127.0.0.1:1#rtj_a"), Some((token(), true, true)));
    assert_eq!(at("http://127.0.0.1:2#rtj_a"), None);
    fs::write(state.path(), form_1("https://127.0.0.1:1", Some(&pin))).unwrap();
    assert_eq!(
        at(&format!("https://192.0.2.1:7#rtj_a.{pin}")),
        Some((token(), false, false)),
        "how it is reached there wasn't seen"
    );
    assert_eq!(at("https://127.0.0.1:1#rtj_a"), None, "its token isn't sent where no pin is");
}

#[test]
fn a_key_is_made_once_and_private() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(&directory.path().join("made/for/it"));
    let made = state.key().unwrap().public().unwrap();
    assert_eq!(state.key().unwrap().public().unwrap(), made);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state.key), mode(&state.directory)), (0o600, 0o700));
    fs::write(&state.key, "CANARY").unwrap();
    let error = state.key().unwrap_err();
    assert!(matches!(error, AgentError::StateDamaged { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
}

#[test]
fn a_rewrite_is_whole_private_and_clears_what_a_crash_left() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    fs::write(beside(state.path()), "half of it").unwrap();
    fs::write(state.path(), "older").unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o644)).unwrap();
    state.save(&url("http://127.0.0.1:1#rtj_a"), &joined(), "00").unwrap();
    assert_eq!(fs::metadata(state.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(state.load(&url("http://127.0.0.1:1#rtj_a")).unwrap().is_some());
}

#[test]
fn damage_is_told_without_the_token() {
    let directory = tempfile::tempdir().unwrap();
    let state = file(directory.path());
    let at = url("http://127.0.0.1:1#rtj_a");
    let good = form_1("http://127.0.0.1:1", None);
    let cases = [
        String::new(),
        good[..good.len() - 20].to_owned(),
        good.replace("\"version\":1", "\"version\":3"),
        good.replace("\"version\":1", "\"version\":2"),
        good.replace("\"version\":1", "\"version\":\"rta_CANARY\""),
        good.replace("\"loopback\"", "\"rta_CANARY\""),
        "rta_CANARY".repeat(20_000),
    ];
    for damaged in cases {
        assert_ne!(damaged, good);
        fs::write(state.path(), &damaged).unwrap();
        let error = state.load(&at).unwrap_err();
        assert!(matches!(error, AgentError::StateDamaged { .. }), "{error}");
        let told = format!("{error} {error:?}");
        assert!(told.contains("agent-alice.json") && !told.contains("CANARY"), "{told}");
    }
}

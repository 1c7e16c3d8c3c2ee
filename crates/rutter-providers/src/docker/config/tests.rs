use super::*;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Endpoint, String> {
    let look_up = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Endpoint::parse(text, None, look_up).map_err(|error| error.to_string())
}

fn http(host: &str, port: u16) -> Result<Endpoint, String> {
    Ok(Endpoint::Http { host: host.parse().unwrap(), port })
}

fn https(host: &str, port: u16, files: TlsFiles) -> Result<Endpoint, String> {
    Ok(Endpoint::Https { host: host.parse().unwrap(), port, files })
}

#[test]
fn addresses_of_engines() {
    let socket = |path: &str| Ok(Endpoint::Unix(path.into()));
    assert_eq!(parse("unix:///run/podman.sock", &[]), socket("/run/podman.sock"));
    assert_eq!(parse("/run/docker.sock", &[]), socket("/run/docker.sock"));
    assert_eq!(parse("tcp://10.0.0.5:2375", &[]), http("10.0.0.5", 2375));
    assert_eq!(parse("http://nas.lan:8080/", &[]), http("nas.lan", 8080));
    assert_eq!(parse("tcp://[fd00::5]", &[]), http("fd00::5", 2375));
    assert_eq!(parse("nas.lan:2375", &[]), http("nas.lan", 2375));
    assert_eq!(parse("https://nas.lan", &[]), https("nas.lan", 2376, TlsFiles::default()));
    assert_eq!(parse("tls://nas.lan:99", &[]), https("nas.lan", 99, TlsFiles::default()));
}

#[test]
fn the_environment_of_dockers_tools_counts() {
    let host = ("DOCKER_HOST", "tcp://nas.lan:2376");
    let verify = ("DOCKER_TLS_VERIFY", "1");
    let folder = ("DOCKER_CERT_PATH", "/certs");
    assert_eq!(parse("$DOCKER_HOST", &[]), Ok(Endpoint::Unix(SOCKET.into())));
    assert_eq!(parse("${DOCKER_HOST}", &[host, folder]), http("nas.lan", 2376));
    let files = TlsFiles::in_folder(Path::new("/certs"));
    assert_eq!(files.ca.as_deref(), Some(Path::new("/certs/ca.pem")));
    assert_eq!(parse("$DOCKER_HOST", &[host, verify, folder]), https("nas.lan", 2376, files));
    let unset = ("DOCKER_TLS_VERIFY", "");
    assert_eq!(parse("$DOCKER_HOST", &[host, unset, folder]), http("nas.lan", 2376));
}

#[test]
fn what_is_no_address_is_refused_by_name() {
    let cases = [
        ("ssh://me@nas", "SSH isn't spoken"),
        ("agent://10.0.0.5:8890", "GoDoxy's agents aren't spoken with"),
        ("unix://run/docker.sock", "absolute"),
        ("ftp://nas", "the scheme is"),
        ("tcp://nas:99999", "expected `HOST:PORT`"),
        ("tcp://nas:0", "expected `HOST:PORT`"),
        ("tcp://fd00::5:2375", "expected `HOST:PORT`"),
        ("http://nas/v1.41", "expected `HOST:PORT`"),
        ("tcp://", "expected `HOST:PORT`"),
        ("", "expected `HOST:PORT`"),
    ];
    for (text, want) in cases {
        let said = parse(text, &[]).unwrap_err();
        assert!(said.contains(want) && said.contains(text), "{text}: {said}");
    }
}

#[test]
fn files_of_an_engines_own_are_tls() {
    let files = TlsFiles::new(Some("ca".into()), Some("cert".into()), Some("key".into())).unwrap();
    let with = |text: &str| {
        let folder = |name: &str| (name == "DOCKER_CERT_PATH").then(|| "/certs".to_owned());
        Endpoint::parse(text, Some(files.clone()), folder).map_err(|error| error.to_string())
    };
    for text in ["tcp://nas:5", "tls://nas:5", "https://nas:5"] {
        assert_eq!(with(text), https("nas", 5, files.clone()), "{text}");
    }
    assert!(with("http://nas:5").unwrap_err().contains("`http` has none"));
    assert!(with("unix:///s").unwrap_err().contains("`unix` has none"));
    assert!(TlsFiles::new(None, Some("cert".into()), None).is_err());
}

#[test]
fn an_engine_of_this_host_has_no_other() {
    let remote = |text| parse(text, &[]).unwrap().remote_host().map(ToString::to_string);
    assert_eq!(remote("unix:///s"), None);
    assert_eq!(remote("tcp://localhost:1"), None);
    assert_eq!(remote("tcp://127.0.0.1:1"), None);
    assert_eq!(remote("tcp://nas.lan:1").as_deref(), Some("nas.lan"));
}

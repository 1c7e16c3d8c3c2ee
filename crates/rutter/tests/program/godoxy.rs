//! The set-ups in `examples/godoxy`: what `rutter import godoxy` says of each, and each served by
//! `rutter godoxy run`.
//!
//! After a change that is meant: `UPDATE_EXAMPLES=1 cargo nextest run -p rutter godoxy`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::support::origin::Origin;
use crate::support::visit::get;
use crate::support::{Running, Up, ends, rutter, stderr, stdout};
use crate::ways_out::{ca, signed, tls_visitor};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/godoxy");

/// The set-ups, and how `import` exits: 0 is ok or ignored, 3 different, 4 refused.
const SETS: [(&str, i32); 4] = [("home", 0), ("edge", 0), ("engines", 0), ("everything", 4)];

/// A copy of a set-up, with these variables after its own.
fn copy(name: &str, variables: &[(&str, String)]) -> tempfile::TempDir {
    let (from, to) = (Path::new(EXAMPLES).join(name), tempfile::tempdir().unwrap());
    std::fs::create_dir(to.path().join("config")).unwrap();
    for entry in std::fs::read_dir(from.join("config")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.path().join("config").join(path.file_name().unwrap())).unwrap();
    }
    let mut env = std::fs::read_to_string(from.join(".env")).unwrap();
    for (name, value) in variables {
        env.push_str(&format!("{name}={value}\n"));
    }
    std::fs::write(to.path().join(".env"), env).unwrap();
    to
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn without(name: &str) -> Vec<String> {
    let path = Path::new(EXAMPLES).join(name).join("without.txt");
    let keys = std::fs::read_to_string(path).unwrap_or_default();
    keys.lines().flat_map(|key| ["--without".to_owned(), key.to_owned()]).collect()
}

/// Serves a copy on free ports; whatever it listens on beside plain HTTP is off unless asked for.
fn serve(dir: tempfile::TempDir, name: &str, https: &str) -> Up {
    let https = format!("https={https}");
    let mut more: Vec<String> =
        ["--listen", "http=127.0.0.1:0", "--listen", &https].map(str::to_owned).to_vec();
    more.extend(without(name));
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    Up::godoxy(dir, &more)
}

fn origin_variables(origin: &Origin) -> Vec<(&'static str, String)> {
    vec![("ORIGIN", "127.0.0.1".into()), ("ORIGIN_PORT", origin.address.port().to_string())]
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn import_says_of_each_field_of_each_set_up_what_stands_beside_it() {
    for (name, code) in SETS {
        let dir = Path::new(EXAMPLES).join(name);
        let output = ends(&["import", "godoxy", &text(&dir), "--all"]);
        let (told, path) = (stdout(&output), dir.join("import.txt"));
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            std::fs::write(&path, &told).unwrap();
        }
        assert_eq!(told, std::fs::read_to_string(&path).unwrap(), "{name}");
        assert_eq!(output.status.code(), Some(code), "{name}: {}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_is_served_by_name_path_member_folder_and_stream() {
    let origin = Origin::start("origin").await;
    let www = tempfile::tempdir().unwrap();
    std::fs::write(www.path().join("index.html"), "a page").unwrap();
    let stream = free_port();
    let mut variables = origin_variables(&origin);
    variables.extend([
        ("WWW", text(www.path())),
        ("STREAM_PORT", stream.to_string()),
        ("DATAGRAM_PORT", free_port().to_string()),
    ]);
    let up = serve(copy("home", &variables), "home", "off");
    let gateway = up.gateway();
    for (host, want) in [
        ("app.example.test", (200, "origin")),
        ("shop.example.test", (200, "origin")),
        ("any.apps.example.test", (200, "origin")),
        ("www.example.test", (200, "a page")),
    ] {
        let (status, body) = get(gateway, host).await;
        assert_eq!((status, body.as_str()), want, "{host}");
    }
    for host in ["nobody.example.test", "app.example.com", "blue.example.test"] {
        assert_eq!(get(gateway, host).await.0, 404, "{host}");
    }
    let mut by_stream = TcpStream::connect(("127.0.0.1", stream)).unwrap();
    by_stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    by_stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("origin"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_serves_a_file_of_routes_under_its_domain() {
    let (origin, dir) = (Origin::start("origin").await, tempfile::tempdir().unwrap());
    let file = dir.path().join("routes.yml");
    let port = origin.address.port();
    std::fs::write(&file, format!("app: {{host: 127.0.0.1, port: {port}}}\n")).unwrap();
    let up = Up::start_in(dir, &["--routes", &text(&file)]);
    assert_eq!(get(up.gateway(), "app.localhost").await, (200, "origin".to_owned()));
    assert_eq!(get(up.gateway(), "other.localhost").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_is_served_over_tls_and_closed_to_who_has_no_certificate() {
    let origin = Origin::start("origin").await;
    let dir = copy("edge", &origin_variables(&origin));
    let ca = certificates(dir.path(), &["app.example.test", "staff.example.test"]);
    let up = serve(dir, "edge", "127.0.0.1:0");
    let https = up.run_file()["gateway"][1].as_str().unwrap().to_owned();
    let https: SocketAddr = https.rsplit('/').next().unwrap().parse().unwrap();
    let ask = async |host: &str| {
        let visitor = tls_visitor(&ca, host, https);
        visitor.get(format!("https://{host}:{}/", https.port())).send().await
    };
    let app = ask("app.example.test").await.unwrap();
    assert_eq!((app.status().as_u16(), app.text().await.unwrap().as_str()), (200, "origin"));
    let staff = ask("staff.example.test").await;
    assert!(staff.is_err_and(|error| !error.is_timeout()), "a client without a certificate");
    let plain = get(up.gateway(), "staff.example.test").await;
    assert_ne!(plain.1, "origin", "in plain nobody can show a certificate");
    let log = std::fs::read_to_string(up.path().join("access.log")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_that_are_not_there_leave_files_served() {
    let origin = Origin::start("origin").await;
    let dir = copy("engines", &origin_variables(&origin));
    let _ca = certificates(dir.path(), &["app.example.test"]);
    let plain = ["--without", "entrypoint.inbound_mtls_profile", "--without", "autocert"];
    let mut more = vec!["--listen", "http=127.0.0.1:0", "--listen", "https=off"];
    more.extend(plain);
    let up = Up::godoxy(dir, &more);
    assert_eq!(get(up.gateway(), "app.lan").await, (200, "origin".to_owned()));
    let (status, _) = get(up.gateway(), "nas.lan").await;
    assert_eq!(status, 503, "a guest whose cluster can't be asked is never this host");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_starts_only_without_what_protects_and_keeps_the_places_of_what_is_refused() {
    let origin = Origin::start("origin").await;
    let dir = copy("everything", &origin_variables(&origin));
    let refused =
        ends(&["godoxy", "run", &text(dir.path()), "--data", &text(&dir.path().join("d"))]);
    assert_eq!(refused.status.code(), Some(2));
    let told = stderr(&refused);
    for key in without("everything").iter().filter(|key| *key != "--without") {
        assert!(told.contains(&format!("--without {key}")), "{key}:\n{told}");
    }
    let up = serve(dir, "everything", "off");
    let gateway = up.gateway();
    assert_eq!(get(gateway, "app.example.test").await, (200, "origin".to_owned()));
    assert_eq!(get(gateway, "pool.example.test").await, (200, "origin".to_owned()));
    for name in ["by-middleware", "by-rules", "by-profile", "by-agent", "by-typo", "by-older-field"]
    {
        let (status, body) = get(gateway, &format!("{name}.example.test")).await;
        assert_eq!(status, 503, "{name}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_import_writes_is_served_the_same_and_nobody_else_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let origin = Origin::start("origin").await;
    let www = tempfile::tempdir().unwrap();
    let mut variables = origin_variables(&origin);
    variables.extend([
        ("WWW", text(www.path())),
        ("STREAM_PORT", free_port().to_string()),
        ("DATAGRAM_PORT", free_port().to_string()),
        ("GODOXY_HTTP_ADDR", "127.0.0.1:0".to_owned()),
    ]);
    let dir = copy("home", &variables);
    let written = dir.path().join("rutter.yaml");
    let output = ends(&["import", "godoxy", &text(dir.path()), "--write", &text(&written)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(std::fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
    let data = text(&dir.path().join("data"));
    let mut process =
        Running::start(&mut rutter(&["run", "--data", &data, "--config", &text(&written)]));
    process.says("ready");
    let run = std::fs::read_to_string(dir.path().join("data/run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    let gateway = run["gateway"][0].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(get(gateway, "app.example.test").await, (200, "origin".to_owned()));
    // A set-up that is refused is not written at all.
    let everything = Path::new(EXAMPLES).join("everything");
    let not_written = dir.path().join("not.yaml");
    let output = ends(&["import", "godoxy", &text(&everything), "--write", &text(&not_written)]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(!not_written.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reads_the_set_up_again() {
    let origin = Origin::start("origin").await;
    let dir = copy("everything", &origin_variables(&origin));
    let mut up = serve(dir, "everything", "off");
    let gateway = up.gateway();
    let config = up.path().join("config");
    std::fs::write(
        config.join("more.yml"),
        format!("more: {{host: 127.0.0.1, port: {}}}\n", origin.address.port()),
    )
    .unwrap();
    let path = config.join("config.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("include: [routes.yml]", "include: [more.yml]")).unwrap();
    up.process.signal("-HUP");
    up.process.says("reloaded: providers.files");
    assert_eq!(crate::support::visit::served(gateway, "more.example.test").await.0, 200);
    crate::support::visit::unserved(gateway, "app.example.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_swaps_files_swaps_who_has_the_name_both_want() {
    let origins = [Origin::start("a").await, Origin::start("b").await];
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    std::fs::create_dir(&config).unwrap();
    for (name, origin) in ["a.yml", "b.yml"].iter().zip(&origins) {
        let port = origin.address.port();
        std::fs::write(config.join(name), format!("app: {{host: 127.0.0.1, port: {port}}}\n"))
            .unwrap();
    }
    let include = |order: &str| {
        std::fs::write(config.join("config.yml"), format!("providers: {{include: [{order}]}}\n"))
            .unwrap();
    };
    include("a.yml, b.yml");
    let mut up = serve(dir, "none", "off");
    let gateway = up.gateway();
    assert_eq!(get(gateway, "app.lan").await, (200, "a".to_owned()));
    for (order, want) in [("b.yml, a.yml", "b"), ("a.yml", "a"), ("b.yml", "b")] {
        include(order);
        up.process.signal("-HUP");
        up.process.says("reloaded: providers.files");
        let until = std::time::Instant::now() + crate::support::PATIENCE;
        while get(gateway, "app.lan").await.1 != want {
            assert!(std::time::Instant::now() < until, "{order}: {want} isn't served");
        }
    }
    let refused = "providers: {include: [a.yml]}\nacl: {deny: ['country:XX']}\n";
    std::fs::write(config.join("config.yml"), refused).unwrap();
    up.process.signal("-HUP");
    up.process.says("not reloaded, all goes on as before");
    assert_eq!(get(gateway, "app.lan").await.1, "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn import_compares_with_what_a_running_godoxy_lists() {
    let list = json!([
        { "alias": "app", "scheme": "http", "host": "127.0.0.1", "provider": "routes",
          "port": { "listening": 0, "proxy": 3000 } },
        { "alias": "nas", "scheme": "http", "host": "10.0.0.7", "provider": "routes",
          "port": { "listening": 0, "proxy": 5000 } },
        { "alias": "whoami", "scheme": "http", "host": "172.17.0.2", "provider": "local",
          "port": { "listening": 0, "proxy": 80 } },
    ]);
    let body: &'static str = Box::leak(list.to_string().into_boxed_str());
    let theirs = Origin::start(body).await;
    let (dir, url) = (Path::new(EXAMPLES).join("engines"), format!("http://{}", theirs.address));
    let folder = text(&dir);
    let ask = move || ends(&["--output", "json", "import", "godoxy", &folder, "--against", &url]);
    let output = tokio::task::spawn_blocking(ask).await.unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["against"]["n_same"], 1);
    assert_eq!(report["against"]["n_not_compared"], 1);
    assert_eq!(
        report["against"]["differences"],
        json!([{ "file": "routes.yml", "route": "nas", "what": "host 10.0.0.7 there, localhost here" }])
    );
    drop(theirs);
}

/// Writes the certificates that a set-up names; the CA's own is the answer.
fn certificates(dir: &Path, names: &[&str]) -> CertificateDer<'static> {
    let certs: PathBuf = dir.join("certs");
    std::fs::create_dir(&certs).unwrap();
    let ca = ca();
    for file in ["cert", "other"] {
        let (certificate, key) = signed(&ca, names);
        std::fs::write(certs.join(format!("{file}.crt")), certificate.pem()).unwrap();
        let key_file = if file == "cert" { "priv.key" } else { "other.key" };
        std::fs::write(certs.join(key_file), key.serialize_pem()).unwrap();
    }
    std::fs::write(certs.join("ca.crt"), ca.as_ref().pem()).unwrap();
    ca.as_ref().der().clone()
}

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;

type Heard = mpsc::Receiver<(ClusterId, Vec<KeyRecord>)>;

async fn next(heard: &mut Heard) -> (String, Vec<PublicKey>) {
    let (cluster, keys) = tokio::time::timeout(LONG, heard.recv()).await.unwrap().unwrap();
    (cluster.to_string(), keys.into_iter().map(|record| record.key).collect())
}

/// All that is told by the end of the first round.
async fn first(watcher: &mut Watcher, heard: &mut Heard) -> BTreeMap<String, Vec<PublicKey>> {
    tokio::time::timeout(LONG, watcher.first()).await.unwrap();
    let mut all = BTreeMap::new();
    while let Ok((cluster, keys)) = heard.try_recv() {
        all.insert(cluster.to_string(), keys.into_iter().map(|record| record.key).collect());
    }
    all
}

fn start(sources: &[KeySource], state: &State) -> (Watcher, Heard) {
    let (told, heard) = mpsc::channel(100);
    let watcher = Watcher::start(cluster("own"), sources.to_vec(), LONG * 60, state, told).unwrap();
    (watcher, heard)
}

fn said(pairs: &[(&str, &[u8])]) -> BTreeMap<String, Vec<PublicKey>> {
    let keys = |list: &[u8]| list.iter().map(|n| key(*n)).collect();
    pairs.iter().map(|(name, list)| ((*name).to_owned(), keys(list))).collect()
}

#[tokio::test]
async fn a_files_change_is_told_without_a_refresh_and_what_it_leaves_out_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let file = dir.path().join("keys");
    write(&file, &format!("west {}\neast {}\nown {}\n", key(1), key(2), key(9)));
    let (mut watcher, mut heard) = start(&[KeySource::File(file.clone())], &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[1]), ("east", &[2])]));
    write(&file, &format!("west {}\nwest {}\n", key(3), key(1)));
    assert_eq!(next(&mut heard).await, ("east".into(), vec![]));
    assert_eq!(next(&mut heard).await, ("west".into(), vec![key(3), key(1)]));
}

#[tokio::test]
async fn a_source_that_fails_keeps_what_it_said_over_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("state");
    let file = dir.path().join("keys");
    let sources = [KeySource::File(file.clone())];
    {
        let state = State::open(&at).unwrap();
        write(&file, &format!("west {}\n", key(1)));
        let (mut watcher, mut heard) = start(&sources, &state);
        assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[1])]));
        write(&file, "west 00\n");
        watcher.look();
        write(&file, &format!("west {}\n", key(2)));
        assert_eq!(next(&mut heard).await, ("west".into(), vec![key(2)]), "nothing came before it");
    }
    fs::remove_file(&file).unwrap();
    let state = loop {
        // The tasks of the watcher that went hold the lock until they have seen that.
        match State::open(&at) {
            Ok(state) => break state,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let (mut watcher, mut heard) = start(&sources, &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[2])]));
    // A source that isn't asked any more has nothing to say.
    drop((watcher, heard));
    let (mut watcher, mut heard) = start(&[], &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[])]));
}

#[tokio::test]
async fn a_directorys_file_speaks_for_its_own_cluster_and_one_that_is_damaged_costs_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let keys = dir.path().join("keys");
    fs::create_dir(&keys).unwrap();
    write(&keys.join("west.pub"), &key(1).to_string());
    write(&keys.join("east.pub"), &key(2).to_string());
    write(&keys.join("liar.pub"), &format!("west {}", key(66)));
    write(&keys.join("README"), "not a key");
    let (mut watcher, mut heard) = start(&[KeySource::Directory(keys.clone())], &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[1]), ("east", &[2])]));
    write(&keys.join("west.pub"), "damaged");
    write(&keys.join("east.pub"), &key(3).to_string());
    assert_eq!(next(&mut heard).await, ("east".into(), vec![key(3)]));
    fs::remove_file(keys.join("west.pub")).unwrap();
    assert_eq!(next(&mut heard).await, ("west".into(), vec![]));
    // The whole directory gone is a failure: nobody is revoked by it.
    fs::remove_dir_all(&keys).unwrap();
    watcher.look();
    fs::create_dir(&keys).unwrap();
    write(&keys.join("east.pub"), &key(3).to_string());
    write(&keys.join("north.pub"), &key(4).to_string());
    watcher.look();
    loop {
        let (name, told) = next(&mut heard).await;
        // Between, the new directory may be seen while it is empty.
        if name == "north" {
            assert_eq!(told, [key(4)]);
            break;
        }
    }
}

#[tokio::test]
async fn of_several_sources_the_first_that_knows_a_cluster_names_its_primary() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let file = dir.path().join("keys");
    write(&file, &format!("west {}\n", key(1)));
    let print = format!("echo west {}; echo west {}; echo east {}", key(2), key(1), key(3));
    let sources = [
        KeySource::Command(vec!["sh".into(), "-c".into(), print]),
        KeySource::File(file),
        KeySource::Command(vec!["sh".into(), "-c".into(), "echo no >&2; exit 3".into()]),
    ];
    let (mut watcher, mut heard) = start(&sources, &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[2, 1]), ("east", &[3])]));
}

#[tokio::test]
async fn what_stands_in_the_configuration_and_what_a_provider_says_are_one_word() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let file = dir.path().join("keys");
    write(&file, &format!("west {}\n", key(2)));
    let written = |n| KeySource::Written([(cluster("west"), vec![key(n)])].into());
    let sources = [KeySource::File(file.clone()), written(1)];
    let (mut watcher, mut heard) = start(&sources, &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[2, 1])]));
    watcher.end().await;
    // At the next start the same is known before anybody is asked, so a rotation isn't undone.
    let given = known(&state, &sources, Wall(9)).unwrap();
    let keys: Vec<_> = given[&cluster("west")].iter().map(|record| record.key).collect();
    assert_eq!(keys, [key(2), key(1)]);
    // Written out of the configuration, and nowhere else: it is taken back.
    fs::remove_file(&file).unwrap();
    let (mut watcher, mut heard) = start(&[KeySource::File(file)], &state);
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[2])]));
}

#[tokio::test]
async fn a_commands_time_and_output_are_bounded_and_what_it_started_goes_with_it() {
    let run = |script: &str, limit, at_most| {
        let command = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        async move { command::run(&command, b"in", limit, at_most).await }
    };
    assert_eq!(run("cat", 10, LONG).await.unwrap(), b"in");
    assert!(run("echo why >&2; exit 3", 10, LONG).await.unwrap_err().ends_with("why"));
    assert!(run("echo 12345678901", 10, LONG).await.unwrap_err().contains("more than 10 bytes"));
    let loud = "head -c 300000 /dev/zero >&2; echo done";
    assert_eq!(run(loud, 10, LONG).await.unwrap(), b"done\n");
    assert!(
        command::run(&["/nowhere".into()], b"", 1, LONG).await.unwrap_err().contains("started")
    );

    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    // The child's child holds the fifo open for as long as it lives.
    let script = format!("mkfifo {0}; (exec 9<>{0}; sleep 1000) & sleep 1000", fifo.display());
    let at_most = Duration::from_millis(300);
    assert!(run(&script, 10, at_most).await.unwrap_err().contains("didn't end within"));
    let path = fifo.clone();
    // Without a reader, opening it to write fails at once; with one it wouldn't.
    let gone = tokio::task::spawn_blocking(move || {
        use std::os::unix::fs::OpenOptionsExt;
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        loop {
            let opened = fs::OpenOptions::new().write(true).custom_flags(nonblock).open(&path);
            match opened {
                Err(error) if error.raw_os_error() == Some(6) => return,
                _ => std::thread::yield_now(),
            }
        }
    });
    tokio::time::timeout(LONG, gone).await.unwrap().unwrap();
}

/// Answers each connection with the next of these over TLS; the last again and again.
async fn https(answers: Vec<String>) -> (String, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/keys?token=x", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let mut n = 0;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(tls.read_u8().await.unwrap());
            }
            tls.write_all(answers[n.min(answers.len() - 1)].as_bytes()).await.unwrap();
            let _ = tls.shutdown().await;
            n += 1;
        }
    });
    (url, roots)
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[tokio::test]
async fn a_url_is_asked_over_https_and_believed_only_with_a_certificate_that_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let good = |n| answer("200 OK", &format!("west {}\n", key(n)));
    let moved = "HTTP/1.1 302 Found\r\nLocation: https://localhost/\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n";
    let answers = vec![good(1), answer("500 Oops", "no"), moved.to_owned(), good(2)];
    let (url, roots) = https(answers).await;

    let fetch = url::Fetch::new(Some(RootCertStore::empty()));
    assert!(fetch.get(&url).await.unwrap_err().contains("certificate"));
    let plain = url.replace("https", "http");
    assert!(url::Fetch::new(Some(roots.clone())).get(&plain).await.is_err());

    let (told, mut heard) = mpsc::channel(100);
    let mut watcher = Watcher::start_trusting(
        Some(roots),
        cluster("own"),
        vec![KeySource::Url(url)],
        Duration::from_millis(1),
        &state,
        told,
    )
    .unwrap();
    assert_eq!(first(&mut watcher, &mut heard).await, said(&[("west", &[1])]));
    assert_eq!(next(&mut heard).await, ("west".into(), vec![key(2)]), "failures said nothing");
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let url = KeySource::Url("https://keys.example/all?token=hunter2".into());
    assert_eq!(url.to_string(), "URL https://keys.example/all");
    let command = KeySource::Command(vec!["vault".into(), "--token=hunter2".into()]);
    assert_eq!(command.to_string(), "command vault");
}

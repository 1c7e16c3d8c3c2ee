//! Containers of an engine that is played, through the whole program: found, replaced, and kept
//! when the engine is gone. What an engine says in all its cases is in
//! `rutter-providers/tests/docker`.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::origin::Origin;
use crate::support::visit::get;
use crate::support::{PATIENCE, Up};

/// An engine on a Unix socket.
#[derive(Clone, Default)]
struct Engine(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    containers: Vec<Value>,
    /// Who listens to events.
    listeners: Vec<UnixStream>,
    is_gone: bool,
}

impl Engine {
    fn serve(&self, folder: &Path) -> PathBuf {
        let path = folder.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let engine = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let engine = engine.clone();
                // A client that goes away ends its thread and nothing else.
                std::thread::spawn(move || engine.answer(stream).ok());
            }
        });
        path
    }

    fn answer(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let asked = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut stream = stream;
        let mut state = self.0.lock().unwrap();
        if state.is_gone {
            return Ok(());
        }
        if asked.contains("/events") {
            write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            state.listeners.push(stream);
            return Ok(());
        }
        // One that is asked for by its id: `filters={"id":[...]}`.
        let is_asked_for = |container: &&Value| {
            !asked.contains("filters=") || asked.contains(container["Id"].as_str().unwrap())
        };
        let listed: Vec<&Value> = state.containers.iter().filter(is_asked_for).collect();
        let body = serde_json::to_vec(&listed)?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body)
    }

    /// Has these containers from now on, and tells of it.
    fn has(&self, containers: &[(&str, &Origin)]) {
        let mut state = self.0.lock().unwrap();
        let before = std::mem::take(&mut state.containers);
        state.containers =
            containers.iter().map(|(id, origin)| container(id, origin.address)).collect();
        let ended = before.iter().map(|one| event("die", one));
        let begun = state.containers.iter().map(|one| event("start", one));
        let events: Vec<Value> = ended.chain(begun).collect();
        for listener in &mut state.listeners {
            for event in &events {
                let line = format!("{event}\n");
                // Who listens no more hears nothing.
                let _ = write!(listener, "{:x}\r\n{line}\r\n", line.len());
            }
        }
    }

    /// Is gone: whoever listens is cut off, and nobody is answered any more.
    fn goes(&self) {
        let mut state = self.0.lock().unwrap();
        state.is_gone = true;
        state.listeners.clear();
    }
}

/// A container called `app`, whose route leads to an origin.
fn container(id: &str, origin: SocketAddr) -> Value {
    json!({
        "Id": id, "Names": ["/app"], "Image": "example/app:1", "State": "running",
        "Status": "Up 2 hours", "Ports": [{ "PrivatePort": 8080, "Type": "tcp" }],
        "Labels": {
            "proxy.app.host": origin.ip().to_string(),
            "proxy.app.port": origin.port().to_string(),
        },
        "HostConfig": { "NetworkMode": "bridge" },
        "NetworkSettings": { "Networks": { "bridge": { "IPAddress": "172.17.0.2" } } },
        "Mounts": [],
    })
}

fn event(action: &str, container: &Value) -> Value {
    json!({
        "Type": "container", "Action": action,
        "Actor": { "ID": container["Id"], "Attributes": { "name": "app" } },
    })
}

/// Waits until a host is answered so.
async fn answered(gateway: SocketAddr, want: (u16, Option<&str>)) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, body) = get(gateway, "app.example.test").await;
        if status == want.0 && want.1.is_none_or(|want| body == want) {
            return;
        }
        assert!(Instant::now() < deadline, "{status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_served_replaced_and_kept_when_their_engine_is_gone() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let (dir, engine) = (tempfile::tempdir().unwrap(), Engine::default());
    let (first, second) = ("a".repeat(64), "b".repeat(64));
    engine.has(&[(&first, &one)]);
    let socket = engine.serve(dir.path());
    let config = dir.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let text = format!("providers: {{docker: {{local: 'unix://{}'}}}}\n", socket.display());
    std::fs::write(config.join("config.yml"), text).unwrap();
    let env = "GODOXY_HTTP_ADDR=127.0.0.1:0\nGODOXY_HTTPS_ADDR=\n";
    std::fs::write(dir.path().join(".env"), env).unwrap();
    let mut up = Up::godoxy(dir, &[]);
    let gateway = up.gateway();
    // From the first request: a start waits until its engines have said what they have.
    assert_eq!(get(gateway, "app.example.test").await, (200, "one".to_owned()));
    engine.has(&[(&second, &other)]);
    answered(gateway, (200, Some("other"))).await;
    engine.has(&[]);
    answered(gateway, (404, None)).await;
    engine.has(&[(&first, &one)]);
    answered(gateway, (200, Some("one"))).await;
    engine.goes();
    // By now the program has been told that nobody is there; what was said stands.
    let lost = up.process.says("a provider can't be asked");
    assert!(lost.contains("docker@local"), "{lost}");
    assert_eq!(get(gateway, "app.example.test").await, (200, "one".to_owned()));
}

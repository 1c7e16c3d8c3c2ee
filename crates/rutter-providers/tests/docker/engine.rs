//! A container engine that is played: a real HTTP server that answers as the engine's API says
//! (v1.43: `/containers/json`, `/containers/ID/json`, `/events`), over a Unix socket, TCP or TLS.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{broadcast, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A container of the engine.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) state: &'static str,
    /// What people read in brackets behind `Up 2 minutes`.
    pub(crate) health: Option<&'static str>,
    pub(crate) printed: String,
    pub(crate) is_on_host: bool,
}

impl Container {
    /// One that runs; its id is of its number.
    pub(crate) fn new(n: usize, name: &str) -> Self {
        Self {
            id: format!("{n:08x}{:056}", 0),
            name: name.to_owned(),
            labels: BTreeMap::new(),
            address: format!("172.18.{}.{}", n / 250, n % 250 + 2),
            port: 8080,
            state: "running",
            health: None,
            printed: String::new(),
            is_on_host: false,
        }
    }

    pub(crate) fn labelled(mut self, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.labels.extend(labels);
        self
    }

    fn runs(&self) -> bool {
        matches!(self.state, "running" | "paused")
    }

    fn status(&self) -> String {
        match (self.state, self.health) {
            ("running", None) => "Up 2 minutes".to_owned(),
            ("running", Some("starting")) => "Up 2 minutes (health: starting)".to_owned(),
            ("running", Some(health)) => format!("Up 2 minutes ({health})"),
            ("paused", _) => "Up 2 minutes (Paused)".to_owned(),
            _ => "Exited (0) 2 minutes ago".to_owned(),
        }
    }

    fn listed(&self) -> Value {
        let runs = self.runs();
        let ports = match runs && !self.is_on_host {
            true => json!([{"PrivatePort": self.port, "Type": "tcp"}]),
            false => json!([]),
        };
        let mode = if self.is_on_host { "host" } else { "bridge" };
        let address = if runs && !self.is_on_host { self.address.as_str() } else { "" };
        json!({
            "Id": self.id, "Names": [format!("/{}", self.name)], "Image": "example/app:1",
            "ImageID": "sha256:0", "Command": "app", "Created": 1_700_000_000,
            "Ports": ports, "Labels": self.labels, "State": self.state, "Status": self.status(),
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Networks": {mode: {"NetworkID": "n", "IPAddress": address}}},
            "Mounts": [],
        })
    }

    fn inspected(&self) -> Value {
        let health = self.health.map(|health| {
            json!({"Status": health, "FailingStreak": 3, "Log": [
                {"Start": "2026-01-01T00:00:00Z", "End": "2026-01-01T00:00:01Z",
                 "ExitCode": 1, "Output": self.printed},
            ]})
        });
        json!({
            "Id": self.id, "Name": format!("/{}", self.name), "Image": "sha256:0",
            "State": {"Status": self.state, "Running": self.runs(), "Health": health},
            "Config": {"Image": "example/app:1", "ExposedPorts": {format!("{}/tcp", self.port): {}}},
        })
    }
}

/// The engine.
#[derive(Clone)]
pub(crate) struct Engine {
    state: Arc<Mutex<State>>,
    events: broadcast::Sender<Value>,
    /// How many listings were asked for.
    listings: watch::Sender<usize>,
    /// How many streams of events are open.
    streams: watch::Sender<usize>,
}

struct State {
    containers: BTreeMap<String, Container>,
    /// What a listing is answered with instead of the containers.
    instead: Option<(StatusCode, String)>,
    /// Cancelled when streams of events are cut.
    cut: CancellationToken,
    is_silent: bool,
}

type Body = BoxBody<Bytes, Infallible>;

impl Engine {
    pub(crate) fn new() -> Self {
        let state = State {
            containers: BTreeMap::new(),
            instead: None,
            cut: CancellationToken::new(),
            is_silent: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            events: broadcast::Sender::new(4096),
            listings: watch::Sender::new(0),
            streams: watch::Sender::new(0),
        }
    }

    /// Puts a container in, or another in its place; no event tells of it.
    pub(crate) fn put(&self, container: Container) {
        self.state.lock().unwrap().containers.insert(container.id.clone(), container);
    }

    /// Takes a container away; no event tells of it.
    pub(crate) fn take(&self, id: &str) {
        self.state.lock().unwrap().containers.remove(id);
    }

    /// Changes a container; no event tells of it.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Container)) {
        change(self.state.lock().unwrap().containers.get_mut(id).unwrap());
    }

    /// Tells of something that happened to a container.
    pub(crate) fn tell(&self, action: &str, id: &str) {
        let name = self.state.lock().unwrap().containers.get(id).map(|one| one.name.clone());
        let attributes = json!({"image": "example/app:1", "name": name.unwrap_or_default()});
        let event = json!({
            "Type": "container", "Action": action, "scope": "local",
            "Actor": {"ID": id, "Attributes": attributes},
            "time": 1_700_000_000, "timeNano": 1_700_000_000_000_000_000_u64,
        });
        // Without listeners nobody hears it.
        let _ = self.events.send(event);
    }

    /// Ends all streams of events.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        std::mem::replace(&mut state.cut, CancellationToken::new()).cancel();
    }

    /// Answers listings with something else from now on; `None`: with the containers again.
    pub(crate) fn answer(&self, instead: Option<(StatusCode, &str)>) {
        let instead = instead.map(|(status, body)| (status, body.to_owned()));
        self.state.lock().unwrap().instead = instead;
    }

    /// Whether events are swallowed, as by an engine whose listener was too slow.
    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.state.lock().unwrap().is_silent = is_silent;
    }

    /// Waits until that many listings were asked for since the beginning.
    pub(crate) async fn listed(&self, n: usize) {
        self.listings.subscribe().wait_for(|listings| *listings >= n).await.unwrap();
    }

    pub(crate) fn n_listings(&self) -> usize {
        *self.listings.borrow()
    }

    /// Waits until that many streams of events are open.
    pub(crate) async fn listened_to_by(&self, n: usize) {
        self.streams.subscribe().wait_for(|streams| *streams == n).await.unwrap();
    }

    /// Serves on a Unix socket in a folder until it is stopped.
    pub(crate) fn on_socket(&self, folder: &Path, stop: &CancellationToken) -> PathBuf {
        let path = folder.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let engine = self.clone();
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(engine.clone().serve(stream));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        path
    }

    /// Serves on a port of this host, over TLS if it is given.
    pub(crate) async fn on_port(&self, tls: Option<TlsAcceptor>, stop: &CancellationToken) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let engine = self.clone();
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (engine, tls) = (engine.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => engine.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => engine.serve(stream).await,
                            Err(_refused) => {}
                        },
                    }
                });
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        port
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| {
            let engine = self.clone();
            async move { Ok::<_, Infallible>(engine.answer_to(&request)) }
        });
        // A client that goes away is no error of the engine's.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn answer_to(&self, request: &Request<Incoming>) -> Response<Body> {
        let filters = filters(request.uri().query().unwrap_or_default());
        let path = request.uri().path();
        match path {
            "/containers/json" => self.list(&filters),
            "/events" => self.tell_events(filters),
            _ => {
                let id = path.strip_prefix("/containers/").and_then(|p| p.strip_suffix("/json"));
                let state = self.state.lock().unwrap();
                match id.and_then(|id| state.containers.get(id)) {
                    Some(container) => answer(StatusCode::OK, container.inspected().to_string()),
                    None => {
                        let said = json!({"message": format!("no such container: {path}")});
                        answer(StatusCode::NOT_FOUND, said.to_string())
                    }
                }
            }
        }
    }

    fn list(&self, filters: &HashMap<String, Vec<String>>) -> Response<Body> {
        self.listings.send_modify(|listings| *listings += 1);
        let state = self.state.lock().unwrap();
        if let Some((status, body)) = &state.instead {
            return answer(*status, body.clone());
        }
        let is_asked_for =
            |one: &&Container| filters.get("id").is_none_or(|ids| ids.contains(&one.id));
        let listed = state.containers.values().filter(is_asked_for).map(Container::listed);
        answer(StatusCode::OK, Value::Array(listed.collect()).to_string())
    }

    fn tell_events(&self, filters: HashMap<String, Vec<String>>) -> Response<Body> {
        let (events, cut) = (self.events.subscribe(), self.state.lock().unwrap().cut.clone());
        let state = self.state.clone();
        let open = Open::one(self.streams.clone());
        let events = tokio_stream(events).filter_map(move |event| {
            let _ = &open;
            let action = event["Action"].as_str().unwrap_or_default();
            // As the engine filters once `health_status` is among the words: by their beginning.
            let asked = filters["event"].iter().any(|word| action.starts_with(word.as_str()));
            let is_told = asked && !state.lock().unwrap().is_silent;
            let line = is_told.then(|| Ok(Frame::data(Bytes::from(format!("{event}\n")))));
            std::future::ready(line)
        });
        let events = events.take_until(cut.cancelled_owned());
        Response::new(BodyExt::boxed(StreamBody::new(events)))
    }
}

/// Counts a stream as open for as long as it lives.
struct Open(watch::Sender<usize>);

impl Open {
    fn one(streams: watch::Sender<usize>) -> Self {
        streams.send_modify(|streams| *streams += 1);
        Self(streams)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|streams| *streams -= 1);
    }
}

fn tokio_stream(
    events: broadcast::Receiver<Value>,
) -> impl futures_util::Stream<Item = Value> + Send + Sync {
    futures_util::stream::unfold(events, |mut events| async {
        let event = events.recv().await.ok()?;
        Some((event, events))
    })
}

fn answer(status: StatusCode, body: String) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from(body)).boxed());
    *answer.status_mut() = status;
    answer
}

/// The `filters` of a query: JSON in percent-encoding.
fn filters(query: &str) -> HashMap<String, Vec<String>> {
    let written = query.split('&').find_map(|pair| pair.strip_prefix("filters="));
    let mut bytes = Vec::new();
    let mut rest = written.unwrap_or("%7B%7D").bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    serde_json::from_slice(&bytes).unwrap()
}

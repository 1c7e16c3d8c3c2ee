//! A Proxmox cluster that is played: a real HTTPS server that answers as the API of Proxmox VE
//! says (`/access/ticket`, `/cluster/status`, `/cluster/resources`, a container's configuration
//! and interfaces).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, COOKIE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: (&str, &str) = ("root@pam!rutter", "3f1a-secret");
pub(crate) const USER: (&str, &str) = ("root", "pass & word");

/// A guest of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    /// What stands behind `ip=` in its configuration.
    pub(crate) written: String,
    /// The addresses that its interfaces have.
    pub(crate) has: Vec<String>,
}

impl Guest {
    pub(crate) fn container(name: &str, written: &str) -> Self {
        let (name, written) = (name.to_owned(), written.to_owned());
        Self { name, kind: "lxc", status: "running", written, has: Vec::new() }
    }
}

/// The cluster, of one node `pve1`.
#[derive(Clone)]
pub(crate) struct Cluster {
    state: Arc<Mutex<State>>,
    /// How many inventories were asked for.
    looks: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    guests: BTreeMap<u32, Guest>,
    /// What every question is answered with instead.
    instead: Option<(StatusCode, String)>,
    tickets: usize,
    /// How often a container's configuration was asked for.
    n_read: usize,
    /// Whether it is too old to say what interfaces have.
    is_old: bool,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), looks: watch::Sender::new(0) }
    }

    pub(crate) fn put(&self, vmid: u32, guest: Guest) {
        self.state.lock().unwrap().guests.insert(vmid, guest);
    }

    pub(crate) fn take(&self, vmid: u32) {
        self.state.lock().unwrap().guests.remove(&vmid);
    }

    pub(crate) fn change(&self, vmid: u32, change: impl FnOnce(&mut Guest)) {
        change(self.state.lock().unwrap().guests.get_mut(&vmid).unwrap());
    }

    /// Answers with something else from now on; `None`: as a cluster does.
    pub(crate) fn answer(&self, instead: Option<(StatusCode, &str)>) {
        let instead = instead.map(|(status, body)| (status, body.to_owned()));
        self.state.lock().unwrap().instead = instead;
    }

    /// Makes the tickets that it gave worthless.
    pub(crate) fn end_tickets(&self) {
        self.state.lock().unwrap().tickets += 1000;
    }

    /// Has it say nothing of interfaces, as older versions do.
    pub(crate) fn grow_old(&self) {
        self.state.lock().unwrap().is_old = true;
    }

    pub(crate) fn n_read(&self) -> usize {
        self.state.lock().unwrap().n_read
    }

    pub(crate) fn n_looks(&self) -> usize {
        *self.looks.borrow()
    }

    /// Waits until that many inventories were asked for since the beginning.
    pub(crate) async fn looked_at(&self, n: usize) {
        self.looks.subscribe().wait_for(|looks| *looks >= n).await.unwrap();
    }

    /// Serves with a certificate that nobody knows until it is stopped. The port.
    pub(crate) async fn serve(&self, stop: &CancellationToken) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        let tls = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cluster = self.clone();
        let serving = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (cluster, tls) = (cluster.clone(), tls.clone());
                tokio::spawn(async move {
                    // Who doesn't trust us goes away.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(move |request| cluster.clone().answer_to(request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        port
    }

    async fn answer_to(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix("/api2/json/").unwrap_or_default().to_owned();
        if path == "access/ticket" && head.method == Method::POST {
            let body = body.collect().await.unwrap().to_bytes();
            return Ok(self.log_in(&body));
        }
        let state = self.state.lock().unwrap();
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let token = format!("PVEAPIToken={}={}", TOKEN.0, TOKEN.1);
        let cookie = format!("PVEAuthCookie=PVE:ticket-{}", state.tickets);
        if header(AUTHORIZATION) != Some(&token) && header(COOKIE) != Some(&cookie) {
            return Ok(answer(StatusCode::UNAUTHORIZED, "no ticket".to_owned()));
        }
        drop(state);
        Ok(self.look(&path, head.uri.query()))
    }

    fn log_in(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        let want = format!("username={}%40pam&password=pass+%26+word", USER.0);
        if body != want.as_bytes() {
            return answer(StatusCode::UNAUTHORIZED, String::new());
        }
        state.tickets += 1;
        let ticket = format!("PVE:ticket-{}", state.tickets);
        let data = json!({"ticket": ticket, "username": "root@pam", "CSRFPreventionToken": "x"});
        answer(StatusCode::OK, json!({"data": data}).to_string())
    }

    fn look(&self, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        if path == "cluster/resources" {
            self.looks.send_modify(|looks| *looks += 1);
        }
        if let Some((status, body)) = &state.instead {
            return answer(*status, body.clone());
        }
        let data = match path {
            "cluster/status" => json!([
                {"type": "cluster", "name": "home", "id": "cluster", "quorate": 1, "nodes": 1},
                {"type": "node", "name": "pve1", "id": "node/pve1", "ip": "127.0.0.9",
                 "online": 1, "local": 1},
            ]),
            "cluster/resources" if query == Some("type=vm") => {
                let line = |(vmid, guest): (&u32, &Guest)| {
                    json!({"type": guest.kind, "id": format!("{}/{vmid}", guest.kind),
                           "vmid": vmid, "node": "pve1", "name": guest.name,
                           "status": guest.status, "template": 0, "maxcpu": 2, "mem": 1 << 30})
                };
                Value::Array(state.guests.iter().map(line).collect())
            }
            _ => {
                let mut steps = path.split('/').skip(3);
                let vmid = steps.next().and_then(|vmid| vmid.parse().ok()).unwrap_or_default();
                let what = steps.next();
                let Some(guest) = state.guests.get(&vmid).cloned() else {
                    return answer(StatusCode::INTERNAL_SERVER_ERROR, "no such guest".to_owned());
                };
                match what {
                    Some("config") => {
                        state.n_read += 1;
                        let network = format!("name=eth0,bridge=vmbr0,ip={}", guest.written);
                        json!({"hostname": guest.name, "memory": 512, "net0": network})
                    }
                    _ if state.is_old => {
                        return answer(StatusCode::NOT_IMPLEMENTED, "no such method".to_owned());
                    }
                    _ => guest.has.iter().map(|has| json!({"name": "eth0", "inet": has})).collect(),
                }
            }
        };
        answer(StatusCode::OK, json!({"data": data}).to_string())
    }
}

fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
}

//! A CA that speaks ACME over TLS on loopback. Every signature, nonce and URL of a request is
//! checked, and a challenge is validated by really connecting to the gateway; any name leads to it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::CertificateSigningRequestParams;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::validate::{self, Gateway};
use crate::testing::{Authority, any_port};

/// The CA.
pub(super) struct Ca {
    pub(super) directory: String,
    /// Whom its own TLS comes from.
    pub(super) root: CertificateDer<'static>,
    state: Arc<State>,
}

struct State {
    base: String,
    signs: Arc<Authority>,
    /// Where every name leads; validation waits for it.
    gateway: watch::Sender<Option<Gateway>>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    nonces: HashSet<String>,
    n_nonces: u64,
    n_bad_nonces: u64,
    accounts: Vec<Account>,
    orders: Vec<Order>,
}

#[derive(Clone)]
struct Account {
    point: Vec<u8>,
    thumbprint: String,
}

struct Order {
    names: Vec<String>,
    /// By name: unknown yet, valid, or why not.
    proven: Vec<Option<Result<(), String>>>,
    chain: Option<String>,
}

impl Order {
    fn status(&self) -> &'static str {
        match &self.proven {
            _ if self.chain.is_some() => "valid",
            p if p.iter().any(|one| matches!(one, Some(Err(_)))) => "invalid",
            p if p.iter().all(Option::is_some) => "ready",
            _ => "pending",
        }
    }
}

/// An answer's status, location and body.
type Answer = (StatusCode, Option<String>, Value);

impl Ca {
    pub(super) async fn start(signs: Arc<Authority>) -> Self {
        let own = Authority::new("the CA's own TLS");
        let acceptor = own.sign(&["127.0.0.1"]).acceptor();
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let directory = format!("{base}/directory");
        let gateway = watch::Sender::new(None);
        let state = Arc::new(State { base, signs, gateway, held: Mutex::default() });
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(state.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    // A client that goes away ends it.
                    let _gone = connection.await;
                });
            }
        });
        Self { directory, root: own.certificate, state }
    }

    /// Where every name leads from now on.
    pub(super) fn leads_to(&self, plain: SocketAddr, tls: SocketAddr) {
        self.state.gateway.send_replace(Some(Gateway { plain, tls }));
    }

    pub(super) fn n_accounts(&self) -> usize {
        self.state.held.lock().unwrap().accounts.len()
    }

    pub(super) fn n_orders(&self) -> usize {
        self.state.held.lock().unwrap().orders.len()
    }

    pub(super) fn n_bad_nonces(&self) -> u64 {
        self.state.held.lock().unwrap().n_bad_nonces
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let base = &state.base;
    let (status, location, value) = match (method, path.as_str()) {
        (Method::GET, "/directory") => {
            let value = json!({
                "newNonce": format!("{base}/nonce"),
                "newAccount": format!("{base}/account"),
                "newOrder": format!("{base}/order"),
                "revokeCert": format!("{base}/revoke"),
                "keyChange": format!("{base}/key"),
            });
            (StatusCode::OK, None, value)
        }
        (Method::HEAD, "/nonce") => (StatusCode::OK, None, Value::Null),
        (Method::POST, path) => state.post(path, &body).unwrap_or_else(|problem| problem),
        _ => problem("malformed", "no such thing"),
    };
    let text = match value {
        Value::String(pem) => pem,
        Value::Null => String::new(),
        value => value.to_string(),
    };
    let mut response = Response::builder().status(status).header("replay-nonce", state.nonce());
    if let Some(location) = location {
        response = response.header("location", location);
    }
    Ok(response.body(Full::from(text)).unwrap())
}

fn problem(kind: &str, detail: &str) -> Answer {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    (StatusCode::BAD_REQUEST, None, json!({"type": kind, "detail": detail, "status": 400}))
}

fn decode(value: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

impl State {
    fn nonce(&self) -> String {
        let mut held = self.held.lock().unwrap();
        held.n_nonces += 1;
        let nonce = format!("nonce-{}", held.n_nonces);
        held.nonces.insert(nonce.clone());
        nonce
    }

    /// One signed request (RFC 8555 6.2).
    fn post(self: &Arc<Self>, path: &str, body: &[u8]) -> Result<Answer, Answer> {
        let (account, payload) = self.verified(path, body)?;
        let mut steps = path.trim_start_matches('/').split('/');
        let what = steps.next().unwrap_or_default();
        let numbers: Vec<usize> = steps.filter_map(|n| n.parse().ok()).collect();
        match (what, numbers.as_slice()) {
            ("account", []) => {
                assert_eq!(payload["termsOfServiceAgreed"], json!(true));
                assert_eq!(payload["contact"], json!(["mailto:ops@nsl.sh"]));
                let id = Some(format!("{}/account/0", self.base));
                Ok((StatusCode::CREATED, id, json!({"status": "valid"})))
            }
            ("order", []) => Ok(self.new_order(&payload)),
            ("order", [n]) => Ok((StatusCode::OK, None, self.order(*n))),
            ("authz", [n, i]) => Ok((StatusCode::OK, None, self.authorization(*n, *i))),
            ("http-01" | "tls-alpn-01", [n, i]) => {
                let kind = if what == "http-01" { "http-01" } else { "tls-alpn-01" };
                Ok(self.validate(kind, *n, *i, account))
            }
            ("finalize", [n]) => self.finalize(*n, &payload),
            ("certificate", [n]) => {
                let chain = self.held.lock().unwrap().orders[*n].chain.clone();
                Ok((StatusCode::OK, None, json!(chain)))
            }
            _ => Err(problem("malformed", "no such thing")),
        }
    }

    /// Who signed, and what.
    fn verified(&self, path: &str, body: &[u8]) -> Result<(Account, Value), Answer> {
        let bad = |detail| problem("malformed", detail);
        let jws: Value = serde_json::from_slice(body).map_err(|_| bad("no JWS"))?;
        let header: Value =
            serde_json::from_slice(&decode(&jws["protected"])).map_err(|_| bad("no header"))?;
        let mut held = self.held.lock().unwrap();
        let is_known = held.nonces.remove(header["nonce"].as_str().unwrap_or_default());
        // Once, of a nonce that is good, as a CA that was restarted does (RFC 8555 6.5).
        if !is_known || (path == "/order" && held.n_bad_nonces == 0) {
            held.n_bad_nonces += 1;
            return Err(problem("badNonce", "no such nonce"));
        }
        if header["alg"] != "ES256" || header["url"] != json!(format!("{}{path}", self.base)) {
            return Err(bad("another algorithm or URL"));
        }
        let account = match header.get("jwk") {
            Some(jwk) if path == "/account" => {
                let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
                let point = [vec![4], decode(&jwk["x"]), decode(&jwk["y"])].concat();
                let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                let hash = digest(&SHA256, members.as_bytes());
                Account { point, thumbprint: BASE64_URL_SAFE_NO_PAD.encode(hash) }
            }
            None if header["kid"] == json!(format!("{}/account/0", self.base)) => {
                held.accounts.first().cloned().ok_or_else(|| bad("no account"))?
            }
            _ => return Err(bad("neither a new key nor a known one")),
        };
        let signed =
            format!("{}.{}", jws["protected"].as_str().unwrap(), jws["payload"].as_str().unwrap());
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &account.point)
            .verify(signed.as_bytes(), &decode(&jws["signature"]))
            .map_err(|_| bad("a wrong signature"))?;
        if path == "/account" {
            held.accounts.push(account.clone());
        }
        // POST-as-GET has no payload (RFC 8555 6.3).
        let payload = serde_json::from_slice(&decode(&jws["payload"])).unwrap_or(Value::Null);
        Ok((account, payload))
    }

    fn new_order(&self, payload: &Value) -> Answer {
        let identifiers = payload["identifiers"].as_array().unwrap();
        assert!(identifiers.iter().all(|i| i["type"] == "dns"));
        let names: Vec<_> =
            identifiers.iter().map(|i| i["value"].as_str().unwrap().to_owned()).collect();
        let mut held = self.held.lock().unwrap();
        let n = held.orders.len();
        held.orders.push(Order { proven: vec![None; names.len()], names, chain: None });
        drop(held);
        (StatusCode::CREATED, Some(format!("{}/order/{n}", self.base)), self.order(n))
    }

    fn order(&self, n: usize) -> Value {
        let (held, base) = (self.held.lock().unwrap(), &self.base);
        let order = &held.orders[n];
        let authz: Vec<_> =
            (0..order.names.len()).map(|i| format!("{base}/authz/{n}/{i}")).collect();
        json!({
            "status": order.status(),
            "identifiers": order.names.iter().map(|n| json!({"type": "dns", "value": n}))
                .collect::<Vec<_>>(),
            "authorizations": authz,
            "finalize": format!("{base}/finalize/{n}"),
            "certificate": order.chain.as_ref().map(|_| format!("{base}/certificate/{n}")),
        })
    }

    fn authorization(&self, n: usize, i: usize) -> Value {
        let held = self.held.lock().unwrap();
        let order = &held.orders[n];
        let (status, error) = match &order.proven[i] {
            None => ("pending", None),
            Some(Ok(())) => ("valid", None),
            Some(Err(why)) => {
                let kind = "urn:ietf:params:acme:error:unauthorized";
                ("invalid", Some(json!({"type": kind, "detail": why, "status": 403})))
            }
        };
        let challenge = |kind: &str| {
            json!({
                "type": kind,
                "url": format!("{}/{kind}/{n}/{i}", self.base),
                "token": format!("token-{n}-{i}"),
                "status": status,
                "error": error,
            })
        };
        json!({
            "identifier": {"type": "dns", "value": order.names[i]},
            "status": status,
            "challenges": [challenge("http-01"), challenge("tls-alpn-01")],
        })
    }

    /// Begins to validate, and says so.
    fn validate(
        self: &Arc<Self>,
        kind: &'static str,
        n: usize,
        i: usize,
        account: Account,
    ) -> Answer {
        let token = format!("token-{n}-{i}");
        let authorization = format!("{token}.{}", account.thumbprint);
        let name = self.held.lock().unwrap().orders[n].names[i].clone();
        let state = self.clone();
        let url = format!("{}/{kind}/{n}/{i}", self.base);
        let value = json!({"type": kind, "url": url, "token": token, "status": "processing"});
        tokio::spawn(async move {
            let mut gateway = state.gateway.subscribe();
            let gateway = gateway.wait_for(Option::is_some).await.unwrap().unwrap();
            let proven = match kind {
                "http-01" => validate::http(gateway, &name, &token, &authorization).await,
                _ => validate::tls(gateway, &name, &authorization).await,
            };
            state.held.lock().unwrap().orders[n].proven[i] = Some(proven);
        });
        (StatusCode::OK, None, value)
    }

    /// Signs what the order's request asks for, if it asks for the order's names.
    fn finalize(&self, n: usize, payload: &Value) -> Result<Answer, Answer> {
        let csr = decode(&payload["csr"]);
        let csr = CertificateSigningRequestParams::from_der(&csr.into())
            .map_err(|e| problem("badCSR", &e.to_string()))?;
        let mut held = self.held.lock().unwrap();
        let order = &mut held.orders[n];
        let dns = |name: &rcgen::SanType| match name {
            rcgen::SanType::DnsName(name) => name.to_string(),
            other => panic!("{other:?}"),
        };
        let asked: Vec<_> = csr.params.subject_alt_names.iter().map(dns).collect();
        if order.status() != "ready" || asked != order.names {
            return Err(problem("orderNotReady", "not ready, or other names"));
        }
        order.chain = Some(self.signs.sign_request(&csr));
        drop(held);
        Ok((StatusCode::OK, None, self.order(n)))
    }
}

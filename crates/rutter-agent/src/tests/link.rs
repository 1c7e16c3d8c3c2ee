//! A controller's link whose word a test decides, and the API that leads to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rutter_link::*;
use rutter_route::{Destination, Standing};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::server::{self, PATIENCE, Recorded, Reply};
use super::tls::{Ca, ca, der};

/// What the link heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody enrols: token, name, role.
    Enrols(String, String, String),
    /// A session begins.
    Up,
    /// A source says its routes: `agent: web.alice.localhost http 127.0.0.1:3000 http://…`.
    Says(String, Vec<String>),
    /// A session ended, by a goodbye or without one.
    Ended { goodbye: bool },
}

/// How the link answers.
pub(crate) struct Word {
    /// Which tokens let in.
    pub(crate) tokens: Vec<&'static str>,
    /// Whether a session is admitted.
    pub(crate) knows: bool,
    pub(crate) lease: Duration,
    pub(crate) renew: Duration,
    /// What a source's words are refused with, as often as there are some.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) keys: Vec<PeerKey>,
    pub(crate) domain: String,
}

/// The link.
pub(crate) struct TestLink {
    pub(crate) address: SocketAddr,
    pub(crate) word: Arc<Mutex<Word>>,
    ca: Arc<Authority>,
    events: mpsc::UnboundedReceiver<Event>,
    gate: Arc<Gate>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), LinkError>>,
}

#[derive(Debug)]
struct Authority {
    ca: Ca,
    certified: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified.clone())
    }
}

impl TestLink {
    pub(crate) fn start() -> Self {
        let ca = ca("the controller's");
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        let leaf = leaf.signed_by(&key, &ca).unwrap();
        let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let signing = provider.key_provider.load_private_key(private).unwrap();
        let chain = vec![leaf.der().clone(), der(&ca)];
        let certified = Arc::new(CertifiedKey::new(chain, signing));
        let word = Arc::new(Mutex::new(Word {
            tokens: vec!["rtj_a"],
            knows: true,
            lease: Duration::from_secs(600),
            renew: Duration::from_secs(300),
            refusals: Vec::new(),
            keys: Vec::new(),
            domain: "alice.localhost".into(),
        }));
        let (tell, events) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate { word: word.clone(), tell });
        let ca = Arc::new(Authority { ca, certified });
        let (address, stop, task) = serve(SocketAddr::from(([127, 0, 0, 1], 0)), &ca, &gate);
        Self { address, word, ca, events, gate, stop, task }
    }

    /// Ends it, and starts it anew at the same address.
    pub(crate) async fn restart(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap().unwrap();
        let (_, stop, task) = serve(self.address, &self.ca, &self.gate);
        (self.stop, self.task) = (stop, task);
    }

    pub(crate) fn ca(&self) -> &Ca {
        &self.ca.ca
    }

    pub(crate) fn pin(&self) -> CaPin {
        CaPin::of(&der(&self.ca.ca))
    }

    /// The API's answer about the link.
    pub(crate) fn told(&self) -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
        let told = json!({ "address": self.address.to_string(), "pin": self.pin().to_string() });
        move |asked: &Recorded| match asked.line.as_str() {
            "GET /v1/link" => server::json(200, told.clone()),
            _ => server::json(500, json!({ "error": "nobody should ask this" })),
        }
    }

    /// The next event, waited for.
    pub(crate) async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        next.expect("an event comes in time").expect("the link runs")
    }

    /// Waits for an event.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    /// What came and was not taken yet.
    pub(crate) fn rest(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

impl Drop for TestLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Serving = (SocketAddr, CancellationToken, tokio::task::JoinHandle<Result<(), LinkError>>);

fn serve(address: SocketAddr, ca: &Arc<Authority>, gate: &Arc<Gate>) -> Serving {
    let listener = LinkListener::bind(address).unwrap();
    let (address, stop) = (listener.address(), CancellationToken::new());
    let config = AcceptConfig {
        pulse: Pulse::every(Duration::from_millis(300)),
        ..AcceptConfig::new("controller")
    };
    let task = tokio::spawn(listener.serve(config, ca.clone(), gate.clone(), stop.clone()));
    (address, stop, task)
}

struct Gate {
    word: Arc<Mutex<Word>>,
    tell: mpsc::UnboundedSender<Event>,
}

impl Gate {
    fn tell(&self, event: Event) {
        let _test_is_over = self.tell.send(event);
    }
}

#[async_trait]
impl Admission for Gate {
    async fn enrol(&self, enrolment: Enrolment) -> Result<Enrolled, Refusal> {
        let Enrolment { key, token, name, role, .. } = enrolment;
        self.tell(Event::Enrols(token.clone(), name.clone(), role.clone().unwrap()));
        let mut word = self.word.lock().unwrap();
        if word.keys.contains(&key) || word.tokens.contains(&token.as_str()) {
            word.tokens.retain(|one| *one != token);
            word.keys.push(key);
            let (role, domain) = (role.unwrap(), Some(word.domain.clone()));
            return Ok(Enrolled { name, role, domain, address: None, ca: Vec::new() });
        }
        Err(Refusal::new(RefusalCode::Token, format!("the token {token} opens nothing")))
    }

    async fn admit(&self, caller: &Caller, _: SocketAddr) -> Result<Admitted, Refusal> {
        let key = caller.key()?;
        let word = self.word.lock().unwrap();
        if !word.knows || !word.keys.contains(&key) {
            return Err(Refusal::new(RefusalCode::NotKnown, "this key is nobody's"));
        }
        self.tell(Event::Up);
        let announced: Option<Box<dyn Announced>> =
            Some(Box::new(Ears { word: self.word.clone(), tell: self.tell.clone() }));
        let (name, domain) = ("agent/alice", Some(word.domain.clone()));
        Ok(Admitted { domain, announced, ..Admitted::new(name, 1) })
    }

    fn knows(&self, caller: &Caller) -> bool {
        let Ok(key) = caller.key() else { return false };
        let word = self.word.lock().unwrap();
        word.knows && word.keys.contains(&key)
    }
}

struct Ears {
    word: Arc<Mutex<Word>>,
    tell: mpsc::UnboundedSender<Event>,
}

#[async_trait]
impl Announced for Ears {
    async fn heard(&mut self, update: SourceUpdate) -> Result<SourceReport, Refusal> {
        let AnyBatch::Service(batch) = update.batch else { panic!("services") };
        let mut routes = BTreeMap::new();
        for tell in &batch.tells {
            let Tell::Advertise { routes: told, .. } = tell else { continue };
            for route in told {
                let of = tell.destination();
                let (path, attributes) = (route.route.path.clone(), &route.attributes);
                let check = attributes.health_check.as_ref().map_or("", |c| c.path.as_str());
                let (hop, priority) = (&attributes.next_hop, attributes.priority);
                let text = format!("{of} {path} {hop} {priority} {check}");
                let is = Ok(Standing::Eligible);
                let outcome = Outcome { destination: Some(of.to_any()), path, is };
                routes.insert(text.trim_end().to_owned(), outcome);
            }
        }
        let mut word = self.word.lock().unwrap();
        let said = Event::Says(update.source, routes.keys().cloned().collect());
        let _test_is_over = self.tell.send(said);
        if let Some(refusal) = word.refusals.pop() {
            return Err(refusal);
        }
        let (lease, renew) = (Some(word.lease), Some(word.renew));
        Ok(SourceReport { lease, renew, outcomes: routes.into_values().collect() })
    }

    async fn ended(&mut self, goodbye: bool) {
        let _test_is_over = self.tell.send(Event::Ended { goodbye });
    }
}

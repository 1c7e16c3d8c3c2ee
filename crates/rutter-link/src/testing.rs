//! A small world for the tests: a CA, an accepter whose keys are a list, and books.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_rib::{Book, OutletSpec, Policy, TableSpec};
use rutter_route::*;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::*;

/// A hang guard, never a measure.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Waits for what must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it should have come by now")
}

/// A CA and a server's certificate of it, good for 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) pin: CaPin,
    certified: Arc<CertifiedKey>,
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
        let private = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
        let signing = tls::provider().key_provider.load_private_key(private).unwrap();
        let chain = vec![leaf.der().clone(), ca.der().clone()];
        let certified = Arc::new(CertifiedKey::new(chain, signing));
        Arc::new(Self { pin: CaPin::of(ca.der()), certified })
    }
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified.clone())
    }
}

pub(crate) fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

/// A book with a table of each kind: `prefixes`, `services`, `clusters`.
pub(crate) fn book() -> (BookHandle, CancellationToken) {
    let spec = |name, kind| TableSpec { name: table(name), kind, policy: Policy::default() };
    let specs = vec![
        spec("prefixes", DestinationKind::Prefix),
        spec("services", DestinationKind::Service),
        spec("clusters", DestinationKind::Cluster),
    ];
    let now = SystemClock.now();
    let book = Book::new("home".parse().unwrap(), specs, vec![], vec![], now, 1).unwrap();
    let stop = CancellationToken::new();
    let (handle, _task) = rutter_book::spawn(book, SystemClock, 1, stop.clone());
    (handle, stop)
}

/// Whose keys are known, and what was said.
pub(crate) struct Gate {
    pub(crate) book: BookHandle,
    known: Mutex<HashMap<PeerKey, String>>,
    incarnation: Mutex<u64>,
    pub(crate) back_within: Mutex<Option<Duration>>,
    changed: Mutex<CancellationToken>,
    said: mpsc::UnboundedSender<Said>,
}

/// What a source said to the gate.
#[derive(Debug)]
pub(crate) enum Said {
    Heard(SourceUpdate),
    Ended { goodbye: bool },
}

impl Gate {
    pub(crate) fn new(book: BookHandle) -> (Arc<Self>, mpsc::UnboundedReceiver<Said>) {
        let (said, heard) = mpsc::unbounded_channel();
        let (known, incarnation) = (Mutex::default(), Mutex::new(0));
        let (back_within, changed) = (Mutex::default(), Mutex::default());
        (Arc::new(Self { book, known, incarnation, back_within, changed, said }), heard)
    }

    pub(crate) fn let_in(&self, key: PeerKey, name: &str) {
        self.known.lock().unwrap().insert(key, name.to_owned());
    }

    /// What is admitted from now on isn't what was.
    pub(crate) fn change(&self) {
        std::mem::take(&mut *self.changed.lock().unwrap()).cancel();
    }

    pub(crate) fn shut_out(&self, key: PeerKey) {
        self.known.lock().unwrap().remove(&key);
    }
}

#[async_trait]
impl Admission for Gate {
    async fn enrol(&self, enrolment: Enrolment) -> Result<Enrolled, Refusal> {
        if enrolment.token != "rtj_good" {
            return Err(Refusal::new(RefusalCode::Token, "the token opens nothing"));
        }
        let name = format!("gateway/{}", enrolment.name);
        self.let_in(enrolment.key, &name);
        let address = Some(enrolment.from.ip().to_string());
        Ok(Enrolled { name, role: "gateway".into(), domain: None, address, ca: Vec::new() })
    }

    async fn admit(&self, caller: &Caller, _: SocketAddr) -> Result<Admitted, Refusal> {
        let key = caller.key()?;
        let name = self.known.lock().unwrap().get(&key).cloned();
        let name =
            name.ok_or_else(|| Refusal::new(RefusalCode::NotKnown, "nobody has this key"))?;
        let incarnation = {
            let mut last = self.incarnation.lock().unwrap();
            *last += 1;
            *last
        };
        let offer = |name, kind| Offer {
            table: table(name),
            kind,
            book: self.book.clone(),
            spec: OutletSpec::all("set by the link"),
        };
        let offers = vec![
            offer("prefixes", DestinationKind::Prefix),
            offer("services", DestinationKind::Service),
            offer("clusters", DestinationKind::Cluster),
        ];
        let announced = Box::new(Ears { said: self.said.clone() });
        let domain = name.strip_prefix("agent/").map(|name| format!("{name}.localhost"));
        let changed = self.changed.lock().unwrap().clone();
        let announced: Option<Box<dyn Announced>> = Some(announced);
        Ok(Admitted { changed, domain, offers, announced, ..Admitted::new(name, incarnation) })
    }

    fn knows(&self, caller: &Caller) -> bool {
        caller.key().is_ok_and(|key| self.known.lock().unwrap().contains_key(&key))
    }

    fn back_within(&self) -> Option<Duration> {
        *self.back_within.lock().unwrap()
    }
}

struct Ears {
    said: mpsc::UnboundedSender<Said>,
}

#[async_trait]
impl Announced for Ears {
    async fn heard(&mut self, update: SourceUpdate) -> Result<SourceReport, Refusal> {
        let refused = update.source == "nobody";
        let _test_is_over = self.said.send(Said::Heard(update));
        if refused {
            return Err(Refusal::new(RefusalCode::Invalid, "there is no such source"));
        }
        // Short, so that a test sees the renewal.
        let (lease, renew) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(1)));
        Ok(SourceReport { lease, renew, outcomes: Vec::new() })
    }

    async fn ended(&mut self, goodbye: bool) {
        let _test_is_over = self.said.send(Said::Ended { goodbye });
    }
}

/// An accepting end that runs. Dropping it ends it.
pub(crate) struct Accepting {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), LinkError>>,
}

/// How often both ends speak in tests: often enough that silence is noticed soon.
pub(crate) const OFTEN: Duration = Duration::from_millis(300);

impl Accepting {
    pub(crate) fn start(
        address: SocketAddr,
        ca: &Arc<Authority>,
        gate: Arc<dyn Admission>,
    ) -> Self {
        let listener = LinkListener::bind(address).unwrap();
        let address = listener.address();
        let config = AcceptConfig { pulse: Pulse::every(OFTEN), ..AcceptConfig::new("controller") };
        let stop = CancellationToken::new();
        let task = tokio::spawn(listener.serve(config, ca.clone(), gate, stop.clone()));
        Self { address, stop, task }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        soon(self.task).await.unwrap().unwrap();
    }
}

pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn dialer(address: SocketAddr, ca: &Authority, key: &LinkKey) -> Arc<Dialer> {
    let remote = Remote { address: address.to_string(), pin: ca.pin };
    Arc::new(Dialer::new(remote, key).unwrap().with_pulse(Pulse::every(OFTEN)))
}

pub(crate) fn eager() -> Backoff {
    Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(200) }
}

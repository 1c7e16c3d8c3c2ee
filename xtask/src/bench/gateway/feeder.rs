//! The feeder: stands in the controller's place and offers a gateway as many services as it is told.
//!
//! It has what a gateway needs of a controller: a `GET /v1/link` that says where the link is, the
//! link, an admission that lets everyone in, and a book whose table it offers. All of the link is
//! `rutter-link`'s own, so the gateway has its routes by real means, and none of a controller's work
//! is in what is measured.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use clap::Args;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_link::{
    AcceptConfig, Admission, Admitted, CaPin, Caller, Enrolled, Enrolment, LinkListener, Offer,
    Refusal,
};
use rutter_rib::{Book, OutletSpec, Policy, TableSpec};
use rutter_route::{
    Advertisement, Attributes, DestinationKind, Incarnation, Service, Session, SourceInfo,
    SourceState,
};
use tokio_util::sync::CancellationToken;

use super::scene::host;

const TABLE: &str = "services";

/// Services in one command to the book.
const SLICE: usize = 1024;

/// What the child is told.
#[derive(Args)]
pub(crate) struct FeederArguments {
    #[arg(long)]
    services: usize,
    #[arg(long)]
    origin: SocketAddr,
}

/// Says the join line, then feeds until it is ended.
pub(crate) fn run_child(arguments: &FeederArguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(feed(arguments))
}

async fn feed(arguments: &FeederArguments) -> Result<()> {
    let book = book(arguments).await?;
    let authority = Arc::new(Authority::new()?);
    let link = LinkListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("http://{}#rtj_feeder", api.local_addr()?);
    let body = serde_json::json!({
        "address": link.address().to_string(),
        "pin": authority.pin.to_string(),
    });
    std::thread::spawn(move || say_where(&api, &body.to_string()));
    let admission = Arc::new(Everyone { book, n_sessions: AtomicU64::new(0) });
    let stop = CancellationToken::new();
    Ok(link.serve(AcceptConfig::new("feeder"), authority, admission, stop).await?)
}

async fn book(arguments: &FeederArguments) -> Result<BookHandle> {
    let kind = DestinationKind::Service;
    let spec = TableSpec { name: TABLE.parse()?, kind, policy: Policy::default() };
    let now = SystemClock.now();
    let book = Book::new("bench".parse()?, vec![spec], vec![], vec![], now, 1)?;
    // It ends with the process.
    let (book, _task) = rutter_book::spawn(book, SystemClock, 1, CancellationToken::new());
    let session = Session { source: "agent/bench".parse()?, incarnation: Incarnation(1) };
    let attributes = Attributes::via(format!("http://{}", arguments.origin).parse()?);
    let numbers: Vec<usize> = (0..arguments.services).collect();
    for slice in numbers.chunks(SLICE) {
        let services = slice.iter().map(|number| host(*number).parse::<Service>());
        let services = services.collect::<Result<Vec<_>, _>>()?;
        let (session, attributes) = (session.clone(), attributes.clone());
        let told = book.apply(move |book, now| {
            let table = book.services(TABLE)?;
            table.source(now, &session, SourceState::Up(SourceInfo::default())).ok()?;
            for service in services {
                table.advertise(now, &session, Advertisement::new(service, attributes.clone()));
            }
            Some(())
        });
        told.await?.context("the book takes services")?;
    }
    Ok(book)
}

/// Answers every request with where the link is.
fn say_where(api: &TcpListener, body: &str) {
    for stream in api.incoming() {
        let said = stream.and_then(|mut stream| {
            for line in BufReader::new(&stream).lines() {
                if line?.is_empty() {
                    break;
                }
            }
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        });
        if let Err(error) = said {
            eprintln!("nobody was told where the link is: {error}");
        }
    }
}

/// A CA, and a certificate of it.
#[derive(Debug)]
struct Authority {
    pin: CaPin,
    certified: Arc<CertifiedKey>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate()?;
        let ca = params.self_signed(&ca_key)?;
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()])?;
        let leaf = leaf.signed_by(&key, &issuer)?;
        let signing = any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        let chain = vec![leaf.der().clone(), ca.der().clone()];
        let certified = Arc::new(CertifiedKey::new(chain, signing));
        Ok(Self { pin: CaPin::of(ca.der()), certified })
    }
}

impl ResolvesServerCert for Authority {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified.clone())
    }
}

/// Lets everyone in: it listens on loopback, for a bench.
struct Everyone {
    book: BookHandle,
    n_sessions: AtomicU64,
}

#[async_trait]
impl Admission for Everyone {
    async fn enrol(&self, enrolment: Enrolment) -> Result<Enrolled, Refusal> {
        let name = format!("gateway/{}", enrolment.name);
        let role = "gateway".to_owned();
        Ok(Enrolled { name, role, domain: None, address: None, ca: Vec::new() })
    }

    async fn admit(&self, _: &Caller, _: SocketAddr) -> Result<Admitted, Refusal> {
        let table = TABLE.parse().map_err(|_| anyhow!("a table's name"));
        let offer = table.map(|table| Offer {
            table,
            kind: DestinationKind::Service,
            book: self.book.clone(),
            spec: OutletSpec::all("set by the link"),
        });
        let incarnation = self.n_sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let offers = offer.into_iter().collect();
        Ok(Admitted { offers, ..Admitted::new("gateway/bench", incarnation) })
    }

    fn knows(&self, _: &Caller) -> bool {
        true
    }
}

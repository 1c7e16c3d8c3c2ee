//! Sessions of callers that are known by names, beside another service on the same port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rutter_book::BookHandle;
use rutter_rib::{Depth, OutletSpec};
use rutter_route::{DestinationKind, Prefix, Service};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::testing::*;
use crate::*;

/// Believes whoever calls himself `host-a`.
struct Trusting(BookHandle);

#[async_trait]
impl Admission for Trusting {
    async fn admit(&self, caller: &Caller, _: SocketAddr) -> Result<Admitted, Refusal> {
        if *caller != Caller::Unproven("host-a".into()) {
            return Err(Refusal::new(RefusalCode::NotKnown, format!("{caller} is a stranger")));
        }
        let offer = |name, kind| Offer {
            table: table(name),
            kind,
            book: self.0.clone(),
            spec: OutletSpec::all(""),
        };
        let offers = vec![
            offer("prefixes", DestinationKind::Prefix),
            offer("clusters", DestinationKind::Cluster),
        ];
        Ok(Admitted { offers, ..Admitted::new("peer/host-a", 1) })
    }

    fn knows(&self, _: &Caller) -> bool {
        true
    }
}

/// Nothing is proven.
struct Open;

#[async_trait]
impl Handshake for Open {
    async fn shake(&self, stream: TcpStream) -> io::Result<(Box<dyn ByteStream>, Proof)> {
        Ok((Box::new(stream), Proof::Nothing))
    }
}

#[derive(Debug)]
struct Plain(SocketAddr);

#[async_trait]
impl Connects for Plain {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        Ok(Box::new(TcpStream::connect(self.0).await?))
    }
}

/// A server with the link's service or without, until the token is cancelled.
async fn serve(book: Option<BookHandle>, stop: &CancellationToken) -> SocketAddr {
    let socket = TcpListener::bind(anywhere()).await.unwrap();
    let address = socket.local_addr().unwrap();
    let incoming = Incoming::of(socket, "the test", 8, Arc::new(Open), stop.clone());
    let admission = book.map(|book| Arc::new(Trusting(book)) as Arc<dyn Admission>);
    let config = AcceptConfig::new("host-b");
    let service = admission.map(|admission| link_service(config, admission, stop.clone()));
    let server = Server::builder().add_optional_service(service);
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move { server.serve_with_incoming_shutdown(incoming, stopped).await });
    address
}

fn dials(at: SocketAddr, name: &str) -> Arc<Dialer> {
    let dialer = Dialer::over("host-b", Arc::new(Plain(at)), name);
    Arc::new(dialer.with_pulse(Pulse::every(OFTEN)))
}

fn sink(name: &str) -> SinkSpec {
    SinkSpec { table: table(name), depth: Depth::Best, unreachable: false }
}

#[tokio::test]
async fn a_name_has_a_session_and_is_told_of_those_tables_that_are_offered() {
    let (book, _owner) = book();
    let stop = CancellationToken::new();
    let at = serve(Some(book), &stop).await;
    // A table that nobody has costs nothing but itself.
    let sinks = vec![sink("elsewhere"), sink("prefixes")];
    let mut uplink = Uplink::<Prefix>::start_all(dials(at, "host-a"), sinks, eager());
    match soon(uplink.next()).await.unwrap() {
        Heard::Up { accepter, you_are } => {
            assert_eq!((accepter.as_str(), you_are.as_str()), ("host-b", "peer/host-a"));
        }
        other => panic!("{other:?}"),
    }
    match soon(uplink.next()).await.unwrap() {
        Heard::Batch { table, batch } => {
            assert_eq!(table.as_str(), "prefixes");
            assert!(batch.begin_snapshot && batch.end_of_snapshot);
        }
        other => panic!("{other:?}"),
    }
    assert!(uplink.last_heard().at().is_some());
    stop.cancel();
}

async fn lost(uplink: &mut Uplink<Service>) -> LinkError {
    match soon(uplink.next()).await.unwrap() {
        Heard::Lost(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_isnt_known_is_refused_and_no_key_helps() {
    let (book, _owner) = book();
    let stop = CancellationToken::new();
    let at = serve(Some(book), &stop).await;
    for (name, code) in [("host-c", RefusalCode::NotKnown), ("", RefusalCode::Invalid)] {
        let mut uplink = Uplink::start(dials(at, name), sink("services"), eager());
        assert_eq!(lost(&mut uplink).await.refusal(), Some(code), "{name}");
    }
    let enrolled = soon(dials(at, "host-a").enrol("rtj_good", "x", "gateway")).await;
    assert_eq!(enrolled.unwrap_err().refusal(), Some(RefusalCode::Invalid));
    stop.cancel();
}

#[tokio::test]
async fn who_doesnt_know_the_service_is_told_from_who_isnt_there() {
    let stop = CancellationToken::new();
    let at = serve(None, &stop).await;
    let mut uplink = Uplink::start(dials(at, "host-a"), sink("services"), eager());
    let told = lost(&mut uplink).await;
    assert!(matches!(told, LinkError::NotSpoken { .. }), "{told}");
    stop.cancel();
    let gone = listening_no_more().await;
    let mut uplink = Uplink::start(dials(gone, "host-a"), sink("services"), eager());
    let told = lost(&mut uplink).await;
    assert!(matches!(told, LinkError::Unreachable { .. }), "{told}");
}

async fn listening_no_more() -> SocketAddr {
    TcpListener::bind(anywhere()).await.unwrap().local_addr().unwrap()
}

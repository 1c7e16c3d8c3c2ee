//! A recorded exchange: the very bytes of a session, and that both ends still speak so.
//!
//! `recorded/gateway.txt` holds the frames of a gateway's session in order, each with its direction
//! and its protobuf bytes in hex, and above each what it says. The test plays the dialer's frames
//! to an accepter and compares what it answers byte by byte. A change that alters a byte breaks
//! those who speak an older revision: it shows here before it does there. `UPDATE_RECORDED=1`
//! writes the file anew.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use rutter_route::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::accept::{Accepter, run_session};
use crate::testing::*;
use crate::wire::v1::{self, frame::Body};
use crate::wire::{SOFTWARE, frame};
use crate::*;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/recorded/gateway.txt")
}

/// What differs from run to run: the program's version and the outlet's number.
fn settled(mut frame: v1::Frame) -> v1::Frame {
    match &mut frame.body {
        Some(Body::Hello(hello)) => hello.software = "rutter".into(),
        Some(Body::Update(update)) => update.outlet = 1,
        _ => {}
    }
    frame
}

async fn exchange() -> String {
    let (book, _stop) = book();
    let advertised = book.apply(|book, now| {
        let table = book.services("services").unwrap();
        let source: SourceId = "agent/alice".parse().unwrap();
        let session = Session { source, incarnation: Incarnation(1) };
        table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
        let hop = Attributes {
            health_check: Some(HealthCheck { path: "/healthz".into(), host: None }),
            priority: Priority::whole(2),
            ..Attributes::via("http://192.0.2.7:3000".parse().unwrap())
        };
        let mut route = Advertisement::new("web.alice.localhost".parse().unwrap(), hop);
        route.path = "http 192.0.2.7:3000".parse().unwrap();
        table.advertise(now, &session, route);
        session
    });
    let session = advertised.await.unwrap();
    let (gate, _said) = Gate::new(book.clone());
    let key = PeerKey([7; 32]);
    gate.let_in(key, "gateway/edge-1");
    // Keepalives depend on the clock: none comes in so short a time.
    let config = AcceptConfig { pulse: Pulse::every(SOON), ..AcceptConfig::new("controller") };
    let accepter = Accepter::new(config, gate as Arc<dyn Admission>, CancellationToken::new());
    let (dialer, heard) = mpsc::channel(8);
    let (said, mut answers) = mpsc::channel(8);
    let from = "192.0.2.9:40000".parse().unwrap();
    let peer = Peer { proof: Proof::Key(key), from };
    let heard = ReceiverStream::new(heard);
    let task = tokio::spawn(run_session(accepter.shared(), peer, heard, said));
    let mut told = Record::default();
    let hello = v1::Hello {
        software: SOFTWARE.into(),
        revision: REVISION,
        keepalive_ms: 60_000,
        ..v1::Hello::default()
    };
    told.say(&dialer, Body::Hello(hello)).await;
    told.hear(&mut answers).await;
    let subscribe = v1::Subscribe {
        table: "services".into(),
        kind: v1::Kind::Service.into(),
        depth: v1::Depth::All.into(),
        unreachable: true,
        ..v1::Subscribe::default()
    };
    told.say(&dialer, Body::Subscribe(subscribe)).await;
    told.hear(&mut answers).await;
    let observation = v1::Observation {
        destination: Some(v1::Destination {
            of: Some(v1::destination::Of::Service("web.alice.localhost".into())),
        }),
        source: "agent/alice".into(),
        path: "http 192.0.2.7:3000".into(),
        health: v1::Health::Unhealthy.into(),
        why: "connection refused".into(),
        for_ms: 60_000,
    };
    let observe = v1::Observe { table: "services".into(), observations: vec![observation] };
    told.say(&dialer, Body::Observe(observe)).await;
    let gone = book.apply(move |book, now| {
        let table = book.services("services").unwrap();
        table.source(now, &session, SourceState::Gone).unwrap();
    });
    gone.await.unwrap();
    told.hear(&mut answers).await;
    let bye = v1::Bye { code: "shutdown".into(), why: "the sink ends".into(), back_within_ms: 0 };
    told.say(&dialer, Body::Bye(bye)).await;
    soon(task).await.unwrap();
    assert!(answers.recv().await.is_none(), "nobody answers a goodbye");
    told.0
}

#[derive(Default)]
struct Record(String);

impl Record {
    async fn say(&mut self, to: &mpsc::Sender<Result<v1::Frame, Status>>, body: Body) {
        let frame = frame(body);
        self.put("dialer", frame.clone());
        to.send(Ok(frame)).await.unwrap();
    }

    async fn hear(&mut self, from: &mut mpsc::Receiver<v1::Frame>) {
        let frame = soon(from.recv()).await.unwrap();
        self.put("accepter", frame);
    }

    fn put(&mut self, who: &str, frame: v1::Frame) {
        let frame = settled(frame);
        let bytes = frame.encode_to_vec();
        assert_eq!(v1::Frame::decode(bytes.as_slice()).unwrap(), frame);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let said = frame.body.map(|body| format!("{body:?}")).unwrap_or_default();
        writeln!(self.0, "# {said}\n{who} {hex}\n").unwrap();
    }
}

#[tokio::test]
async fn a_gateways_session_is_what_was_recorded() {
    let now = tokio::time::timeout(Duration::from_secs(60), exchange()).await.unwrap();
    if std::env::var_os("UPDATE_RECORDED").is_some() {
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), &now).unwrap();
    }
    let recorded = std::fs::read_to_string(file()).unwrap();
    let frames = |text: &str| -> Vec<String> {
        text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(frames(&now), frames(&recorded), "the bytes of rutter.v1 have changed");
}

//! Two thousand clients that take their time: all are cut, and others are served meanwhile.
//!
//! What is asserted: each of them is cut, is counted under its own name, and nobody else is
//! refused anything. How long it takes and what it does to the others' p99 is printed, since a
//! busy machine would break any number: `cargo xtask load slow` runs it as a release build.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::h2::client::Client;
use crate::h2::wire;
use crate::origin::{Origin, endless, fine};
use crate::scene::{PATIENCE, Running, Scene, config};

/// How many of each kind; together 2,000 and a bit.
const EACH: usize = 670;

/// How long each of the gateway's patiences is, here.
const PATIENT_FOR: Duration = Duration::from_secs(4);

/// Three come at once, and the next three so much later: a thousand a second, until all are there.
const APART: Duration = Duration::from_millis(3);

/// How often a slow client moves a byte: far below any minimum rate.
const BETWEEN: Duration = Duration::from_millis(250);

/// Others that ask one after the other, over connections that stay.
const OTHERS: usize = 8;

/// How long the others are measured before the slow ones come.
const BEFORE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A head that never ends.
    Head,
    /// A body that comes byte by byte.
    Body,
    /// An answer of which nothing is read.
    Reading,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Head, Self::Body, Self::Reading];

    fn begins(self) -> &'static str {
        match self {
            Self::Head => "GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nX-Slow: ",
            Self::Body => {
                "POST /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 100000\r\n\r\n"
            }
            Self::Reading => "GET /x HTTP/1.1\r\nHost: large.nsl.sh\r\n\r\n",
        }
    }
}

async fn start() -> (Running, Origin) {
    let well = Origin::start(Arc::new(fine)).await;
    let scene = Scene::new();
    let services = [("alice.nsl.sh", well.address), ("large.nsl.sh", endless().await)];
    scene.advertise(services.map(|(name, at)| (name.to_owned(), at)).into()).await;
    let mut config = config();
    config.workers = 2;
    config.limits.header_timeout = PATIENT_FOR;
    config.limits.body_timeout = PATIENT_FOR;
    config.limits.send_timeout = PATIENT_FOR;
    (scene.start(config).await, well)
}

/// One slow client until it is cut; how long that took.
async fn slow(stream: TcpStream, kind: Kind) -> Duration {
    let begun = Instant::now();
    if kind == Kind::Reading {
        stream.writable().await.unwrap();
        assert_eq!(stream.try_write(kind.begins().as_bytes()).unwrap(), kind.begins().len());
        // Looks for the end without reading what lies before it.
        while !stream.ready(Interest::READABLE).await.unwrap().is_read_closed() {
            tokio::time::sleep(BETWEEN).await;
        }
        return begun.elapsed();
    }
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(kind.begins().as_bytes()).await.unwrap();
    let drip = async {
        // Whether it is over is seen by the reader.
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(BETWEEN).await;
        }
        std::future::pending::<()>().await;
    };
    let mut buffer = vec![0; 4096];
    let ended = async { while let Ok(1..) = reader.read(&mut buffer).await {} };
    tokio::select! {
        () = drip => {}
        () = ended => {}
    }
    begun.elapsed()
}

/// Asks until told to stop; how long each answer took.
fn other(at: SocketAddr, stop: CancellationToken) -> JoinHandle<Vec<Duration>> {
    tokio::spawn(async move {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut took, mut buffer) = (Vec::new(), vec![0; 4096]);
        while !stop.is_cancelled() {
            let begun = Instant::now();
            stream.write_all(b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nfine") {
                let n = stream.read(&mut buffer).await.unwrap();
                assert!(n > 0, "cut amid {:?}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&buffer[..n]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            took.push(begun.elapsed());
        }
        took
    })
}

async fn others(at: SocketAddr, until: impl Future) -> Vec<Duration> {
    let stop = CancellationToken::new();
    let asking: Vec<_> = (0..OTHERS).map(|_| other(at, stop.clone())).collect();
    until.await;
    stop.cancel();
    let mut all = Vec::new();
    for asked in asking {
        all.extend(asked.await.unwrap());
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_clients_are_cut_and_others_are_served() {
    let (gateway, _well) = start().await;
    let (at, metrics) = (gateway.address, gateway.metrics());
    let quiet = others(at, tokio::time::sleep(BEFORE)).await;

    let (mut longest, mut slow_ones) = ([Duration::ZERO; 3], JoinSet::new());
    let meanwhile = others(at, async {
        let n_before = metrics.connections.get();
        for n in 0..EACH {
            // No more at once than the kernel's queue holds: what it turns away is never seen here.
            while metrics.connections.get() < n_before + (3 * n as u64).saturating_sub(300) {
                tokio::time::sleep(APART).await;
            }
            tokio::time::sleep(APART).await;
            for kind in Kind::ALL {
                let stream = TcpStream::connect(at).await.unwrap();
                slow_ones.spawn(async move { (kind, slow(stream, kind).await) });
            }
        }
        let all_cut = async {
            while let Some(cut) = slow_ones.join_next().await {
                let (kind, after) = cut.unwrap();
                longest[kind as usize] = longest[kind as usize].max(after);
            }
        };
        tokio::time::timeout(PATIENCE, all_cut).await.expect("all of them are cut");
    })
    .await;

    let counted = [&metrics.slow_heads, &metrics.slow_bodies, &metrics.slow_readers];
    assert_eq!(counted.map(|counter| counter.get()), [EACH as u64; 3], "heads, bodies, readers");
    assert!(!meanwhile.is_empty(), "others are served");
    let p99 = |all: &[Duration]| all[all.len() * 99 / 100].as_secs_f64() * 1e3;
    println!("{} slow connections, patience {PATIENT_FOR:?}", 3 * EACH);
    println!(
        "cut at the latest after: heads {:?}, bodies {:?}, reading {:?}",
        longest[0], longest[1], longest[2]
    );
    println!(
        "others' p99: {:.2} ms before ({} requests), {:.2} ms meanwhile ({}): ratio {:.2}",
        p99(&quiet),
        quiet.len(),
        p99(&meanwhile),
        meanwhile.len(),
        p99(&meanwhile) / p99(&quiet)
    );
    gateway.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_ends_what_is_slow_and_nothing_else() {
    let well = Origin::start(Arc::new(fine)).await;
    let scene = Scene::new();
    scene.advertise(vec![(wire::HOST.to_owned(), well.address)]).await;
    let mut config = config();
    config.listeners[0].h2c = true;
    let gateway = scene.start(config).await;

    // A body that doesn't come: its stream is answered, and the connection goes on.
    let mut client = Client::begin(gateway.address).await;
    client.send(&wire::post(1)).await;
    client.until(|heard| heard.statuses.contains_key(&1)).await;
    assert_eq!(client.heard.statuses[&1], 408);
    client.send(&wire::get(3)).await;
    client.until(|heard| heard.is_over(3)).await;
    assert_eq!(client.heard.statuses[&3], 200);
    assert_eq!(gateway.metrics().slow_bodies.get(), 1);

    // A header block that doesn't end: nothing is under way, and the connection ends.
    let open = wire::frame(wire::HEADERS, wire::END_STREAM, 5, wire::pseudo("GET", "/x"));
    client.send(&open).await;
    client.until(|heard| heard.closed).await;
    assert!(client.heard.closed, "{:?}", client.heard);
    gateway.end().await;
}

//! Floods: much for the gateway to do, little for who sends it.
//!
//! Each flood ends by itself, by the gateway's GOAWAY, or by the gateway's patience; it goes over
//! one connection. Meanwhile somebody else is served, and the process doesn't grow by more than
//! [`BOUND`], measured as the peak of its resident memory, in which the attacker's side is
//! contained: nextest runs each test in a process of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::h2::client::{Client, Heard};
use crate::h2::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM,
    SETTINGS, WHOLE, WINDOW_UPDATE, field, frame, get, post, pseudo, remembered, setting,
};
use crate::origin::{Origin, fine};
use crate::scene::{Running, Scene, config};
use crate::strict;

/// By how much the process may grow under any of the floods.
const BOUND: usize = 32 * 1024 * 1024;

/// What the gateway must make of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// GOAWAY with this code.
    Goaway(u32),
    /// Whatever: what is bounded is the memory.
    Any,
}

const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The services: one that is well, one whose answers are large, one that takes no bodies.
const WELL: &str = "alice.nsl.sh";
const LARGE: &str = "large.nsl.sh";
const STUCK: &str = "stuck.nsl.sh";

async fn gateway() -> (Running, Origin) {
    let scene = Scene::new();
    let well = Origin::start(Arc::new(fine)).await;
    let (large, stuck) = (crate::origin::endless().await, stuck().await);
    let services = [(WELL, well.address), (LARGE, large), (STUCK, stuck)];
    scene.advertise(services.map(|(name, at)| (name.to_owned(), at)).into()).await;
    let mut config = config();
    config.listeners[0].h2c = true;
    config.limits.send_timeout = Duration::from_secs(2);
    (scene.start(config).await, well)
}

/// Accepts, reads a head's worth of bytes, and nothing more.
async fn stuck() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 16];
            if stream.read(&mut some).await.is_ok() {
                held.push(stream);
            }
        }
    });
    address
}

/// Asks for the service that is well, again and again; how often it was answered.
fn somebody_else(at: SocketAddr, until: CancellationToken) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut n_served = 0;
        while !until.is_cancelled() {
            let asked = format!("GET /x HTTP/1.1\r\nHost: {WELL}\r\nConnection: close\r\n\r\n");
            let back = crate::scene::exchange(at, asked.as_bytes()).await;
            let (answers, fault) = strict::answers(&back, &["GET"], true);
            assert!(fault.is_none() && answers.len() == 1, "{fault:?} {answers:?}");
            assert_eq!(answers[0].status(), 200);
            n_served += 1;
        }
        n_served
    })
}

/// A number of `/proc/self/status`, in bytes.
fn status_bytes(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Runs one flood and says how much the process grew.
async fn under<F: Future<Output = Heard>>(
    name: &str,
    end: End,
    gateway: &Running,
    flood: impl FnOnce(SocketAddr) -> F,
) {
    // Forgets the peak until now.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status_bytes("VmRSS");
    let stop = CancellationToken::new();
    let other = somebody_else(gateway.address, stop.clone());
    let heard = flood(gateway.address).await;
    stop.cancel();
    let n_served = other.await.unwrap();
    let grown = status_bytes("VmHWM").saturating_sub(before);
    println!(
        "{name}: grew by {} KiB, ended by {:?}, others served {n_served} times",
        grown / 1024,
        heard.goaway
    );
    assert!(grown <= BOUND, "{name}: grew by {grown} bytes");
    assert!(n_served > 0, "{name}: nobody else was served");
    match end {
        End::Goaway(code) => assert_eq!(heard.goaway, Some(code), "{name}"),
        End::Any => {}
    }
}

/// Sends `n` times what is made for each number, in pieces, until the other side ends it.
async fn pour(client: &mut Client, n: u32, each: impl Fn(u32) -> Vec<u8>) {
    let mut piece = Vec::new();
    for number in 0..n {
        piece.extend(each(number));
        if piece.len() >= 32 * 1024 || number + 1 == n {
            client.send(&std::mem::take(&mut piece)).await;
        }
        if client.heard.closed || client.heard.goaway.is_some_and(|code| code != 0) {
            return;
        }
    }
    // Whatever is said to it is said before this ping is answered.
    client.send(&frame(PING, 0, 0, b"the end.")).await;
    client.until(|heard| heard.goaway.is_some() || heard.pings.contains(&b"the end."[..])).await;
}

/// A flood of frames behind `first`.
async fn poured(at: SocketAddr, first: &[u8], n: u32, each: impl Fn(u32) -> Vec<u8>) -> Heard {
    let mut client = Client::begin(at).await;
    client.send(first).await;
    pour(&mut client, n, each).await;
    client.heard
}

/// A flood whose sender reads nothing: what the gateway has to say must not pile up either.
async fn unread(at: SocketAddr, n: u32, each: &[u8]) -> Heard {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let start = [PREFACE, &frame(SETTINGS, 0, 0, [])].concat();
    stream.write_all(&start).await.unwrap();
    let piece = each.repeat(1000);
    for _ in 0..n / 1000 {
        // Taken no more, for a moment or for ever: the gateway waits for us to read.
        let sent = tokio::time::timeout(Duration::from_millis(500), stream.write_all(&piece)).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    // The gateway's patience is what ends it: it closes, which also who never reads can see.
    let mut gone = async || stream.write_all(&[0]).await.is_err();
    let closed = async {
        while !gone().await {
            tokio::time::sleep(Duration::from_millis(50)).await
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), closed).await;
    Heard { closed: ended.is_ok(), ..Heard::default() }
}

fn request(host: &str, method: &str, stream: u32, flags: u8) -> Vec<u8> {
    let block = pseudo(method, "/x");
    let mut head = frame(HEADERS, flags, stream, block);
    let at = head.windows(WELL.len()).position(|w| w == WELL.as_bytes()).unwrap();
    head[at..at + WELL.len()].copy_from_slice(host.as_bytes());
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_find_memory_bounded_and_others_served() {
    let (gateway, _origin) = gateway().await;
    let calm = End::Goaway(ENHANCE_YOUR_CALM);
    let cancel = |stream| frame(RST_STREAM, 0, stream, 8_u32.to_be_bytes());

    under("rapid reset (CVE-2023-44487)", calm, &gateway, |at| {
        poured(at, &[], 20_000, |n| [get(2 * n + 1), cancel(2 * n + 1)].concat())
    })
    .await;
    under("rapid reset, each looked at first", End::Any, &gateway, |at| async move {
        let mut client = Client::begin(at).await;
        for n in 0..300 {
            let ping = [7, 7, 7, 7, 0, 0, (n >> 8) as u8, n as u8];
            client.send(&[get(2 * n + 1), frame(PING, 0, 0, ping)].concat()).await;
            client.until(|heard| heard.goaway.is_some() || heard.pings.contains(&ping[..])).await;
            client.send(&frame(RST_STREAM, 0, 2 * n + 1, 8_u32.to_be_bytes())).await;
        }
        client.heard
    })
    .await;
    under("errors that make us reset (CVE-2025-8671)", calm, &gateway, |at| {
        poured(at, &[], 5_000, |n| {
            let id = 2 * n + 1;
            [post(id), frame(WINDOW_UPDATE, 0, id, 0x7fff_ffff_u32.to_be_bytes())].concat()
        })
    })
    .await;
    under("CONTINUATION without fields (CVE-2024-27316)", calm, &gateway, |at| {
        let open = frame(HEADERS, END_STREAM, 1, pseudo("GET", "/x"));
        async move { poured(at, &open, 100_000, |_| frame(CONTINUATION, 0, 1, [])).await }
    })
    .await;
    under("CONTINUATION with fields", End::Any, &gateway, |at| {
        let open = frame(HEADERS, END_STREAM, 1, pseudo("GET", "/x"));
        let fields = field("a", "b".repeat(16_000));
        async move { poured(at, &open, 5_000, |_| frame(CONTINUATION, 0, 1, &fields)).await }
    })
    .await;
    under("a header block that unpacks to 64 MB", End::Any, &gateway, |at| {
        let large = remembered("a", "b".repeat(4_000));
        let first = frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), large].concat());
        let packed = [pseudo("GET", "/x"), vec![0xbe; 16_000]].concat();
        async move {
            poured(at, &first, 500, |n| {
                frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 3, &packed)
            })
            .await
        }
    })
    .await;
    under("SETTINGS", End::Any, &gateway, |at| {
        poured(at, &[], 100_000, |_| frame(SETTINGS, 0, 0, setting(3, 100)))
    })
    .await;
    under("SETTINGS, answers unread", End::Any, &gateway, |at| async move {
        unread(at, 1_000_000, &frame(SETTINGS, 0, 0, [])).await
    })
    .await;
    under("PING", End::Any, &gateway, |at| poured(at, &[], 100_000, |_| frame(PING, 0, 0, [1; 8])))
        .await;
    under("PING, answers unread", End::Any, &gateway, |at| async move {
        unread(at, 1_000_000, &frame(PING, 0, 0, [1; 8])).await
    })
    .await;
    under("PRIORITY", End::Any, &gateway, |at| {
        poured(at, &[], 100_000, |n| frame(PRIORITY, 0, 2 * n + 1, [0, 0, 0, 0, 1]))
    })
    .await;
    under("empty DATA that nobody takes", End::Any, &gateway, |at| {
        let open = request(STUCK, "POST", 1, END_HEADERS);
        async move { poured(at, &open, 200_000, |_| frame(DATA, 0, 1, [])).await }
    })
    .await;
    under("DATA byte by byte that nobody takes", End::Any, &gateway, |at| {
        let open = request(STUCK, "POST", 1, END_HEADERS);
        async move { poured(at, &open, 60_000, |_| frame(DATA, 0, 1, "x")).await }
    })
    .await;
    under("WINDOW_UPDATE by 1", End::Any, &gateway, |at| {
        poured(at, &[], 100_000, |_| frame(WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes()))
    })
    .await;
    under("a hundred large answers into shut windows", End::Any, &gateway, |at| async move {
        let mut client = Client::begin(at).await;
        client.send(&frame(SETTINGS, 0, 0, setting(4, 0))).await;
        for n in 0..100 {
            client.send(&request(LARGE, "GET", 2 * n + 1, WHOLE)).await;
        }
        client.until(|heard| (0..100).all(|n| heard.is_over(2 * n + 1))).await;
        assert!((0..100).all(|n| client.heard.resets.contains_key(&(2 * n + 1))), "all are reset");
        client.heard
    })
    .await;
    assert!(gateway.metrics().slow_readers.get() >= 100);
    gateway.end().await;
}

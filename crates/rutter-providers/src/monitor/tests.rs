//! The task over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::{ProviderId, ProviderKind, Target};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn key(name: &str) -> EntryKey {
    let provider = Arc::new(ProviderId::new(ProviderKind::File, "a.yml").unwrap());
    EntryKey { provider, name: name.into(), container: None }
}

/// A route of a TCP stream, asked each so many milliseconds.
fn tcp(port: u16, interval: u64, retries: u32) -> Arc<Route> {
    let text = "app: {port: 5432:5432}";
    let mut reading = crate::godoxy::read_file("f", text, &|_| None, &Default::default()).unwrap();
    let mut route = reading.routes.remove(0);
    route.health.interval = Duration::from_millis(interval);
    route.health.retries = crate::Retries::After(retries);
    let host = "127.0.0.1".parse().unwrap();
    route.target = Target::Tcp { host, port, sends_proxy_header: false, terminates_tls: false };
    Arc::new(route)
}

fn start(at_once: usize) -> (Monitors, mpsc::Receiver<Turned>, tokio_util::sync::DropGuard) {
    let stop = CancellationToken::new();
    let settings = MonitorSettings { at_once, ..MonitorSettings::default() };
    let (monitors, hear) = Monitors::start(settings, stop.clone());
    (monitors, hear, stop.drop_guard())
}

async fn next(hear: &mut mpsc::Receiver<Turned>) -> (String, HealthStatus) {
    let turned = timeout(LONG, hear.recv()).await.expect("nothing turned").unwrap();
    (turned.key.name.to_string(), turned.to.status)
}

#[tokio::test]
async fn a_route_turns_when_its_endpoint_goes_and_back_when_it_returns() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (monitors, mut hear, _stop) = start(4);
    let cell = monitors.watch(&key("a"), &tcp(address.port(), 5, 3));
    assert_eq!(cell.seen().status, HealthStatus::Unknown, "before anything is known");
    assert_eq!(next(&mut hear).await, ("a".to_owned(), HealthStatus::Healthy));
    drop(listener);
    assert_eq!(next(&mut hear).await, ("a".to_owned(), HealthStatus::Unhealthy));
    assert_eq!(cell.seen().status, HealthStatus::Unhealthy);
    let _listener = TcpListener::bind(address).await.unwrap();
    assert_eq!(next(&mut hear).await, ("a".to_owned(), HealthStatus::Healthy));
    assert!(monitors.history(&key("a"), Period::FiveMinutes).is_some());
    assert!(monitors.history(&key("b"), Period::FiveMinutes).is_none());
    monitors.forget(&key("a"));
    assert_eq!((monitors.n_watched(), cell.seen().status), (0, HealthStatus::Unknown));
}

#[tokio::test]
async fn no_more_are_asked_at_once_than_may_be_and_each_gets_its_turn() {
    const AT_ONCE: usize = 3;
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    // Who connects is kept waiting for an answer, so each probe lasts a while.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                MOST.fetch_max(OPEN.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 512]).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
                OPEN.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            });
        }
    });
    let (monitors, mut hear, _stop) = start(AT_ONCE);
    let mut route = Route::clone(&tcp(port, 60_000, 1));
    let host = "127.0.0.1".parse().unwrap();
    let (scheme, upstream) = (crate::HttpScheme::Http, Box::default());
    route.target = Target::Http { scheme, host, port, upstream };
    let route = Arc::new(route);
    let names: std::collections::BTreeSet<String> = (0..40).map(|n| format!("r{n}")).collect();
    for name in &names {
        monitors.watch(&key(name), &route);
    }
    let mut heard = std::collections::BTreeSet::new();
    for _ in 0..names.len() {
        let (name, status) = next(&mut hear).await;
        assert_eq!(status, HealthStatus::Healthy);
        heard.insert(name);
    }
    assert_eq!(heard, names);
    let most = MOST.load(Ordering::SeqCst);
    assert!((1..=AT_ONCE).contains(&most), "{most} at once");
    answering.abort();
}

#[tokio::test]
async fn who_hears_nothing_stops_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (monitors, hear, _stop) = start(1);
    drop(hear);
    let route = tcp(listener.local_addr().unwrap().port(), 5, 1);
    for n in 0..3 {
        let cell = monitors.watch(&key(&format!("r{n}")), &route);
        let well = async {
            while cell.seen().status != HealthStatus::Healthy {
                let _ = listener.accept().await.unwrap();
            }
        };
        timeout(LONG, well).await.unwrap();
    }
}

#[tokio::test]
async fn without_monitors_every_status_stays_unknown() {
    let monitors = Monitors::none();
    let cell = monitors.watch(&key("a"), &tcp(1, 5, 1));
    monitors.engine_says(&key("a"), Some(Seen::default()));
    monitors.forget(&key("a"));
    assert_eq!((cell.seen().status, monitors.n_watched()), (HealthStatus::Unknown, 0));
}

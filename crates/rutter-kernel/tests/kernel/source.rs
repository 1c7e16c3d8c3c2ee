//! The kernel as a source: what the operator does is told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rutter_kernel::source::{Found, Origin, OwnPrefix, SourceSpec, Task, start};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::namespace::{in_namespace_async, ip};

/// How long anything may take before a test gives up. Nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(task: &Task, what: &str, wanted: impl Fn(&[String]) -> bool) -> Duration {
    let began = Instant::now();
    let mut found = task.found.clone();
    let as_wanted = |found: &Found| found.known && wanted(&shown(found));
    match tokio::time::timeout(PATIENCE, found.wait_for(as_wanted)).await {
        Ok(found) => drop(found.unwrap()),
        Err(_) => panic!("{what} didn't come: {:?}", shown(&task.found.borrow())),
    }
    began.elapsed()
}

fn shown(found: &Found) -> Vec<String> {
    let line = |own: &OwnPrefix| format!("{} {:?} {}", own.prefix, own.origin, own.metric);
    found.prefixes.iter().map(line).collect()
}

#[test]
fn the_operators_routes_are_told_as_they_come_and_go() {
    in_namespace_async(|| async {
        ip("link add br100 type bridge");
        ip("link set br100 up");
        ip("address add 10.100.0.1/24 dev br100");
        let spec = SourceSpec {
            connected: true,
            fixed: true,
            all: false,
            not_on: BTreeSet::from(["br100".parse().unwrap()]),
            not_of: BTreeSet::from([82]),
        };
        let (wanted, heard) = watch::channel(spec.clone());
        let stop = CancellationToken::new();
        let task = start(heard, Duration::from_secs(3600), stop.clone()).unwrap();
        let connected = [
            "10.0.0.0/24 Connected 0",
            "10.0.1.0/24 Connected 0",
            "2001:db8::/64 Connected 0",
            "2001:db8:1::/64 Connected 0",
        ];
        until(&task, "the connected networks", |all| all == connected).await;

        ip("route add 192.0.2.0/24 via 10.0.0.2 metric 20");
        ip("route add 198.51.100.0/24 via 10.0.0.2 proto static");
        ip("route add 203.0.113.0/24 via 10.0.0.2 proto 82");
        ip("route add 203.0.114.0/24 via 10.0.0.2 proto bgp");
        ip("route add 203.0.115.0/24 via 10.100.0.7 proto static");
        ip("route add blackhole 203.0.116.0/24 proto static");
        ip("route add 203.0.117.0/24 via 10.0.0.2 proto static table 7");
        ip("-6 route add 2001:db8:7::/48 via 2001:db8::2 metric 30");
        let mut with_static = connected.map(str::to_owned).to_vec();
        with_static.insert(2, "192.0.2.0/24 Static 20".into());
        with_static.insert(3, "198.51.100.0/24 Static 0".into());
        with_static.push("2001:db8:7::/48 Static 30".into());
        let took = until(&task, "the static ones", |all| all == with_static).await;
        println!("told after {took:?}");

        ip("route del 192.0.2.0/24");
        until(&task, "its end", |all| !all.iter().any(|own| own.starts_with("192."))).await;
        // A link that goes down takes its routes along without an event of theirs.
        ip("link set up0 down");
        until(&task, "the end of the link", |all| all == [connected[1], connected[3]]).await;
        ip("link set up0 up");
        ip("-6 address add 2001:db8::1/64 dev up0 nodad");
        until(&task, "its networks", |all| all == connected).await;

        ip("route add 192.0.2.0/24 via 10.0.0.2 proto static");
        wanted.send_replace(SourceSpec { connected: false, all: true, fixed: false, ..spec });
        let other = |all: &[String]| all.iter().any(|own| own == "203.0.114.0/24 Other 0");
        ip("route add 203.0.114.0/24 via 10.0.0.2 proto bgp");
        until(&task, "all of it", other).await;
        let found = task.found.borrow().clone();
        assert_eq!(found.prefixes.len(), 6, "{:?}", shown(&found));
        let origins: BTreeSet<Origin> = found.prefixes.iter().map(|own| own.origin).collect();
        assert_eq!(origins.len(), 3);
        stop.cancel();
        task.ended.await.unwrap().unwrap();
    });
}

#[test]
fn what_the_operator_does_is_told_in_under_a_second() {
    in_namespace_async(|| async {
        let not_of = BTreeSet::from([82]);
        let spec = SourceSpec { fixed: true, not_of, ..SourceSpec::default() };
        let (_wanted, heard) = watch::channel(spec);
        let stop = CancellationToken::new();
        let task = start(heard, Duration::from_secs(3600), stop.clone()).unwrap();
        until(&task, "the first look", |all| all.is_empty()).await;
        // Of a few tries the fastest counts: others may have the machine's cores in one of them.
        let mut fastest = Duration::MAX;
        for n in 0..3 {
            // Ours are no reason to look, nor are they told.
            ip(&format!("route add 172.17.{n}.0/24 via 10.0.0.2 proto 82"));
            ip(&format!("route add 172.16.{n}.0/24 via 10.0.0.2 proto static"));
            fastest = fastest.min(until(&task, "the route", |all| all.len() == n + 1).await);
        }
        println!("told after {fastest:?}");
        assert!(fastest < Duration::from_secs(1), "told after {fastest:?} only");
        stop.cancel();
        task.ended.await.unwrap().unwrap();
    });
}

//! Transit: what is dropped and counted between overlays, and what passes.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use rutter_kernel::Family;
use rutter_kernel::sysctl::Settings;
use rutter_kernel::transit::{Counter, Means, Options, Status, Task, TransitSpec, start};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::namespace::{Host, in_namespace_async, ip, lines};
use crate::talk::{Echo, is_answered, socket};

/// How long anything may take before a test gives up. Nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// This host has two overlays' bridges, `br100` with the hosts `a` and `c`, `br200` with `b`, and
/// forwards. Each host's way is this one.
struct Scene {
    a: Host,
    b: Host,
    c: Host,
}

impl Scene {
    fn new() -> Self {
        for n in [100, 200] {
            ip(&format!("link add br{n} type bridge"));
            ip(&format!("link set br{n} up"));
            ip(&format!("address add 10.{n}.0.1/24 dev br{n}"));
            ip(&format!("-6 address add fd00:{n}::1/64 dev br{n} nodad"));
        }
        ip("link add up2 type veth peer name far2");
        let host = |link: usize, bridge: usize, last: usize| {
            ip(&format!("address flush dev up{link}"));
            ip(&format!("link set up{link} master br{bridge} up"));
            let host = Host::new();
            host.take(&format!("far{link}"));
            host.ip(&format!("link set far{link} up"));
            host.ip(&format!("address add 10.{bridge}.0.{last}/24 dev far{link}"));
            host.ip(&format!("-6 address add fd00:{bridge}::{last}/64 dev far{link} nodad"));
            host.ip(&format!("route add default via 10.{bridge}.0.1"));
            host.ip(&format!("-6 route add default via fd00:{bridge}::1"));
            host
        };
        let (a, b, c) = (host(0, 100, 2), host(1, 200, 2), host(2, 100, 3));
        let settings = Settings::default();
        settings.set_forwarding(Family::V4, true).unwrap();
        settings.set_forwarding(Family::V6, true).unwrap();
        // Bridged frames come by the same hook where Docker and the like want it so.
        std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1").unwrap();
        Self { a, b, c }
    }
}

struct Kept {
    wanted: watch::Sender<TransitSpec>,
    task: Task,
    stop: CancellationToken,
}

impl Kept {
    fn start(spec: TransitSpec, means: Means) -> Self {
        Self::counting(spec, means, Duration::from_millis(50))
    }

    fn counting(spec: TransitSpec, means: Means, count: Duration) -> Self {
        let (wanted, heard) = watch::channel(spec);
        let stop = CancellationToken::new();
        let options = Options { means, count, ..Options::default() };
        let task = start(heard, options, stop.clone()).unwrap();
        Self { wanted, task, stop }
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) {
        let mut status = self.task.status.clone();
        match tokio::time::timeout(PATIENCE, status.wait_for(|status| wanted(status))).await {
            Ok(status) => drop(status.unwrap()),
            Err(_) => panic!("{what} didn't come: {:?}", self.task.status.borrow()),
        }
    }

    /// Wants another, and waits until it is so.
    async fn change(&self, spec: TransitSpec) {
        self.wanted.send_replace(spec);
        self.looks("the change").await;
    }

    /// Waits until a look has begun and ended: the one that was under way may have seen less.
    async fn looks(&self, what: &str) {
        let n_looks = self.task.status.borrow().n_looks;
        self.until(what, |s| s.settled && s.n_looks > n_looks + 1).await;
    }

    /// What was dropped until now, all of which has been counted.
    async fn n_dropped(&self) -> u64 {
        self.looks("the count").await;
        dropped(&self.task.status.borrow())
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.ended.await.unwrap().unwrap();
    }
}

fn dropped(status: &Status) -> u64 {
    match status.counter {
        Counter::Dropped { packets, .. } => packets,
        Counter::Unavailable => panic!("{status:?}"),
    }
}

fn deny() -> TransitSpec {
    let bridges = ["br100", "br200"].map(|name| name.parse().unwrap());
    TransitSpec { bridges: BTreeSet::from(bridges), ..TransitSpec::default() }
}

#[test]
fn what_would_pass_from_one_overlay_to_another_is_dropped_and_counted() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        let of_b = [Echo::at(&scene.b, "10.200.0.2"), Echo::at(&scene.b, "fd00:200::2")];
        let of_a = [socket(Some(&scene.a), "10.100.0.2"), socket(Some(&scene.a), "fd00:100::2")];
        // Without us it passes: the test sees something.
        for (from, to) in of_a.iter().zip(&of_b) {
            is_answered(from, to.at);
        }
        let kept = Kept::start(deny(), Means::Best);
        kept.until("the rules", |s| s.settled).await;
        // What was on its way before is where it ends.
        let before = kept.n_dropped().await;
        let received: Vec<usize> = of_b.iter().map(Echo::n_received).collect();
        for (from, to) in of_a.iter().zip(&of_b) {
            for _ in 0..3 {
                from.send_to(b"there?", to.at).unwrap();
            }
        }
        kept.until("the count", |s| dropped(s) >= before + 6).await;
        assert_eq!(kept.n_dropped().await, before + 6);
        assert_eq!(of_b.iter().map(Echo::n_received).collect::<Vec<_>>(), received);

        // This host's own, to and from either.
        is_answered(&socket(None, "10.100.0.1"), of_b[0].at);
        is_answered(&socket(None, "10.200.0.1"), of_b[0].at);
        let of_c = Echo::at(&scene.c, "10.100.0.3");
        is_answered(&socket(None, "0.0.0.0"), of_c.at);
        // What merely crosses a bridge isn't transit, though it is shown as forwarded.
        is_answered(&of_a[0], of_c.at);
        assert_eq!(kept.n_dropped().await, before + 6);
        kept.stop().await;
        is_answered(&of_a[0], of_b[0].at);
    });
}

#[test]
fn within_one_overlay_what_is_routed_is_dropped_unless_it_is_allowed() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        // A spoke sends to another by the hub.
        for settings in ["all", "br100"] {
            let file = format!("/proc/sys/net/ipv4/conf/{settings}/send_redirects");
            std::fs::write(file, "0").unwrap();
        }
        scene.a.ip("route add 10.100.0.3 via 10.100.0.1");
        let of_c = Echo::at(&scene.c, "10.100.0.3");
        let from = socket(Some(&scene.a), "10.100.0.2");
        let kept = Kept::start(deny(), Means::Best);
        kept.until("the rules", |s| s.settled).await;
        from.send_to(b"there?", of_c.at).unwrap();
        kept.until("the count", |s| dropped(s) == 1).await;
        assert_eq!(of_c.n_received(), 0);

        let pair = |from: &str, to: &str| (from.parse().unwrap(), to.parse().unwrap());
        let allowed = BTreeSet::from([pair("br100", "br100"), pair("br200", "br100")]);
        kept.change(TransitSpec { allowed, ..deny() }).await;
        is_answered(&from, of_c.at);
        assert_eq!(kept.n_dropped().await, 1);
        // The other pair is of one direction.
        let of_b = Echo::at(&scene.b, "10.200.0.2");
        from.send_to(b"there?", of_b.at).unwrap();
        kept.until("the count", |s| dropped(s) == 2).await;
        assert_eq!(of_b.n_received(), 0);
        // With nothing to keep apart there is nothing of ours.
        kept.change(TransitSpec::default()).await;
        is_answered(&from, of_b.at);
        assert_eq!(kept.n_dropped().await, 2, "what was counted stays");
        kept.stop().await;
    });
}

#[test]
fn a_table_that_someone_removes_is_back_and_what_it_had_counted_stays() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        let of_b = Echo::at(&scene.b, "10.200.0.2");
        let from = socket(Some(&scene.a), "10.100.0.2");
        let kept = Kept::start(deny(), Means::Best);
        kept.until("the rules", |s| s.settled).await;
        from.send_to(b"there?", of_b.at).unwrap();
        kept.until("the count", |s| dropped(s) == 1).await;
        // Another process finds the table as it wants it, and removes it in the end.
        let other = Kept::start(deny(), Means::Best);
        other.until("the rules", |s| s.settled).await;
        assert_eq!(kept.task.status.borrow().n_drift, 0);
        other.stop().await;
        kept.until("the repair", |s| s.settled && s.n_drift == 1).await;
        from.send_to(b"there?", of_b.at).unwrap();
        kept.until("the count", |s| dropped(s) == 2).await;
        assert_eq!(of_b.n_received(), 0);
        kept.stop().await;
    });
}

#[test]
fn an_event_suffices_to_put_the_table_back() {
    in_namespace_async(|| async {
        let never = Duration::from_secs(3600);
        let kept = Kept::counting(deny(), Means::Best, never);
        kept.until("the rules", |s| s.settled).await;
        for n in 1..=3 {
            let other = Kept::counting(deny(), Means::Best, never);
            other.until("the rules", |s| s.settled).await;
            other.stop().await;
            kept.until("the repair", |s| s.settled && s.n_drift == n).await;
        }
        kept.stop().await;
    });
}

#[test]
fn a_bridge_with_another_address_drops_as_before() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        std::fs::write("/proc/sys/net/ipv4/conf/all/send_redirects", "0").unwrap();
        std::fs::write("/proc/sys/net/ipv4/conf/br100/send_redirects", "0").unwrap();
        scene.a.ip("route add 10.100.0.3 via 10.100.0.1");
        let of_c = Echo::at(&scene.c, "10.100.0.3");
        let from = socket(Some(&scene.a), "10.100.0.2");
        let kept = Kept::start(deny(), Means::Best);
        kept.until("the rules", |s| s.settled).await;
        ip("link set br100 address 02:00:00:00:00:99");
        kept.looks("the change").await;
        from.send_to(b"there?", of_c.at).unwrap();
        kept.until("the count", |s| dropped(s) == 1).await;
        assert_eq!(of_c.n_received(), 0);
        kept.stop().await;
    });
}

#[test]
fn without_nftables_rules_prohibit_it_and_the_counter_is_unavailable() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        ip("link add lan0 type veth peer name lan1");
        ip("address add 172.16.0.1/24 dev lan0");
        ip("link set lan0 up");
        ip("link set lan1 up");
        let own = Host::new();
        own.take("lan1");
        own.ip("link set lan1 up");
        own.ip("address add 172.16.0.2/24 dev lan1");
        own.ip("route add default via 172.16.0.1");
        let spec =
            TransitSpec { own: BTreeSet::from(["172.16.0.0/24".parse().unwrap()]), ..deny() };
        let kept = Kept::start(spec, Means::Rules);
        kept.until("the rules", |s| s.settled).await;
        assert_eq!(kept.task.status.borrow().counter.to_string(), "unavailable");
        let mut shown = lines(&ip("rule show"));
        shown.sort();
        let ours: Vec<&String> = shown.iter().filter(|line| line.contains("br100")).collect();
        let expected = [
            "80: from all to 172.16.0.0/24 iif br100 lookup main proto 82",
            "81: from all iif br100 prohibit proto 82",
        ];
        assert_eq!(ours, expected.iter().collect::<Vec<_>>());
        // Its own network is reached, and so is this host.
        let of_own = Echo::at(&own, "172.16.0.2");
        let from = socket(Some(&scene.a), "10.100.0.2");
        is_answered(&from, of_own.at);
        // The other overlay isn't: the kernel says so.
        let of_b = Echo::at(&scene.b, "10.200.0.2");
        from.connect(of_b.at).unwrap();
        let mut answer = [0; 16];
        let why = loop {
            // What was heard before is told by the next send already.
            let why = from.send(b"there?").and_then(|_| from.recv(&mut answer)).unwrap_err();
            if why.kind() != ErrorKind::WouldBlock {
                break why;
            }
        };
        assert_eq!(why.kind(), ErrorKind::HostUnreachable);
        assert_eq!(of_b.n_received(), 0);

        ip("rule del priority 81");
        kept.until("the repair", |s| s.settled && s.n_drift > 0).await;
        let mut again = lines(&ip("rule show"));
        again.sort();
        assert_eq!(again, shown);
        kept.stop().await;
        assert!(!ip("rule show").contains("br100"));
        assert!(!ip("-6 rule show").contains("br100"));
    });
}

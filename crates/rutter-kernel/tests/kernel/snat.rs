//! A router of networks behind it: what is masqueraded, what isn't, and that it stays so.

use std::time::Duration;

use rutter_kernel::Family;
use rutter_kernel::snat::{SnatSpec, Status, Task, start};
use rutter_kernel::sysctl::Settings;
use rutter_kernel::transit::{self, TransitSpec};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::namespace::{Host, in_namespace_async};
use crate::talk::{Echo, is_answered, socket};

/// How long anything may take before a test gives up. Nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// This host is the router: `client` is at 10.0.0.2, and knows the networks by this host; `inside`
/// is at 10.0.1.2, behind it, and knows nobody else.
struct Scene {
    client: Host,
    inside: Host,
}

impl Scene {
    fn new() -> Self {
        let host = |n: usize, v6: &str| {
            let host = Host::new();
            host.take(&format!("far{n}"));
            host.ip(&format!("link set far{n} up"));
            host.ip(&format!("address add 10.0.{n}.2/24 dev far{n}"));
            host.ip(&format!("-6 address add {v6}::2/64 dev far{n} nodad"));
            host
        };
        let (client, inside) = (host(0, "2001:db8:0"), host(1, "2001:db8:1"));
        client.ip("route add default via 10.0.0.1");
        client.ip("-6 route add default via 2001:db8::1");
        Self { client, inside }
    }
}

struct Kept {
    wanted: watch::Sender<SnatSpec>,
    task: Task,
    stop: CancellationToken,
}

impl Kept {
    fn start(networks: &[&str]) -> Self {
        let (wanted, heard) = watch::channel(spec(networks));
        let stop = CancellationToken::new();
        let task = start(heard, stop.clone()).unwrap();
        Self { wanted, task, stop }
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) {
        let mut status = self.task.status.clone();
        match tokio::time::timeout(PATIENCE, status.wait_for(|status| wanted(status))).await {
            Ok(status) => drop(status.unwrap()),
            Err(_) => panic!("{what} didn't come: {:?}", self.task.status.borrow()),
        }
    }

    /// Wants another, and waits until it is so: the look that was under way may have seen less.
    async fn change(&self, spec: SnatSpec) {
        let n_looks = self.task.status.borrow().n_looks;
        self.wanted.send_replace(spec);
        self.until("the change", |s| s.settled && s.n_looks > n_looks).await;
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.ended.await.unwrap().unwrap();
    }
}

fn spec(networks: &[&str]) -> SnatSpec {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    SnatSpec { networks, masquerade: true }
}

#[test]
fn who_asks_from_elsewhere_appears_as_the_router_and_is_answered() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        let settings = Settings::default();
        for family in [Family::V4, Family::V6] {
            assert!(!settings.forwarding(family).unwrap());
        }
        let behind =
            [Echo::at(&scene.inside, "10.0.1.2"), Echo::at(&scene.inside, "2001:db8:1::2")];
        let asks =
            [socket(Some(&scene.client), "10.0.0.2"), socket(Some(&scene.client), "2001:db8::2")];
        let kept = Kept::start(&["10.0.1.0/24", "2001:db8:1::/64"]);
        kept.until("the router", |s| s.settled).await;
        // The host inside has no way to the client: it answers the router.
        let routers = ["10.0.1.1", "2001:db8:1::1"];
        for ((from, to), router) in asks.iter().zip(&behind).zip(routers) {
            is_answered(from, to.at);
            assert_eq!(to.last_from().unwrap(), router.parse::<std::net::IpAddr>().unwrap());
        }
        // Who is behind is seen as who it is.
        scene.inside.ip("route add default via 10.0.1.1");
        let outside = Echo::at(&scene.client, "10.0.0.2");
        is_answered(&socket(Some(&scene.inside), "10.0.1.2"), outside.at);
        assert_eq!(outside.last_from().unwrap(), "10.0.1.2".parse::<std::net::IpAddr>().unwrap());
        kept.stop().await;
        // With a way back it is reached as before, and nothing of ours is left.
        is_answered(&socket(Some(&scene.client), "10.0.0.2"), behind[0].at);
        assert_eq!(behind[0].last_from().unwrap(), "10.0.0.2".parse::<std::net::IpAddr>().unwrap());
    });
}

#[test]
fn an_exit_masquerades_what_it_forwards_elsewhere() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        let behind = Echo::at(&scene.inside, "10.0.1.2");
        let from = socket(Some(&scene.client), "10.0.0.2");
        let kept = Kept::start(&["0.0.0.0/0", "::/0"]);
        kept.until("the router", |s| s.settled).await;
        is_answered(&from, behind.at);
        assert_eq!(behind.last_from().unwrap(), "10.0.1.1".parse::<std::net::IpAddr>().unwrap());
        // Other networks of the router are others' networks: who is in them is seen.
        kept.change(SnatSpec { masquerade: false, ..spec(&["0.0.0.0/0"]) }).await;
        scene.inside.ip("route add default via 10.0.1.1");
        is_answered(&socket(Some(&scene.client), "10.0.0.2"), behind.at);
        assert_eq!(behind.last_from().unwrap(), "10.0.0.2".parse::<std::net::IpAddr>().unwrap());
        kept.stop().await;
    });
}

#[test]
fn a_table_that_someone_removes_is_back_and_the_other_part_has_its_own() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        let kept = Kept::start(&["10.0.1.0/24"]);
        kept.until("the router", |s| s.settled).await;
        // What keeps packets from transit comes and goes beside it.
        let bridges = ["br0".parse().unwrap()].into();
        let (_wanted, heard) = watch::channel(TransitSpec { bridges, ..TransitSpec::default() });
        let stop = CancellationToken::new();
        let mut other = transit::start(heard, transit::Options::default(), stop.clone()).unwrap();
        other.status.wait_for(|status| status.settled).await.unwrap();
        stop.cancel();
        other.ended.await.unwrap().unwrap();
        assert_eq!(kept.task.status.borrow().n_drift, 0);
        // Another process finds the table as it wants it, and removes it in the end.
        let second = Kept::start(&["10.0.1.0/24"]);
        second.until("the router", |s| s.settled).await;
        second.stop().await;
        kept.until("the repair", |s| s.settled && s.n_drift == 1).await;
        let behind = Echo::at(&scene.inside, "10.0.1.2");
        is_answered(&socket(Some(&scene.client), "10.0.0.2"), behind.at);
        kept.stop().await;
    });
}

#[test]
fn who_is_killed_leaves_all_as_it_is_and_the_next_finds_it_right() {
    in_namespace_async(|| async {
        let scene = Scene::new();
        let behind = Echo::at(&scene.inside, "10.0.1.2");
        let from = socket(Some(&scene.client), "10.0.0.2");
        let first = Kept::start(&["10.0.1.0/24"]);
        first.until("the router", |s| s.settled).await;
        first.task.ended.abort();
        assert!(first.task.ended.await.unwrap_err().is_cancelled());
        is_answered(&from, behind.at);
        let second = Kept::start(&["10.0.1.0/24"]);
        second.until("the router", |s| s.settled).await;
        assert_eq!(second.task.status.borrow().n_drift, 0);
        is_answered(&from, behind.at);
        second.stop().await;
    });
}

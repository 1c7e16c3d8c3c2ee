//! Routes that somebody holds as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rutter_kernel::routes::{RoutesSpec, Status, Task, start};
use rutter_kernel::{AtEnd, Hop, HopSet, SinkSpec, Target, Wanted};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::namespace::{in_namespace_async, ip, lines};

/// How long anything may take before a test gives up. Nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

const MAIN: u32 = 254;

struct Kept {
    wanted: watch::Sender<RoutesSpec>,
    task: Task,
    stop: CancellationToken,
}

impl Kept {
    fn start(at_end: AtEnd) -> Self {
        let (wanted, heard) = watch::channel(RoutesSpec::default());
        let stop = CancellationToken::new();
        let task = start(SinkSpec::new(MAIN, None), heard, at_end, stop.clone()).unwrap();
        Self { wanted, task, stop }
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.task.status.clone();
        match tokio::time::timeout(PATIENCE, status.wait_for(|status| wanted(status))).await {
            Ok(status) => status.unwrap().clone(),
            Err(_) => panic!("{what} didn't come: {:?}", self.task.status.borrow()),
        }
    }

    /// Wants these, and waits until they are in the kernel.
    async fn want(&self, number: u64, routes: &[(&str, &str)]) -> Status {
        self.wanted.send_replace(RoutesSpec { number, routes: Some(Arc::new(wanted(routes))) });
        self.until("the routes", |s| s.number == Some(number)).await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.ended.await.unwrap().unwrap();
    }
}

fn wanted(routes: &[(&str, &str)]) -> BTreeMap<rutter_route::Prefix, Wanted> {
    let routes = routes.iter().map(|(prefix, via)| {
        let target = Target::Via(HopSet::of(Hop::via(via.parse().unwrap())));
        (prefix.parse().unwrap(), Wanted { target, priority: 500 })
    });
    routes.collect()
}

/// The routes that are ours.
fn ours() -> Vec<String> {
    lines(&ip("route show table main proto 82"))
}

#[test]
fn what_is_told_to_be_there_is_there_and_what_is_replaced_never_is_not() {
    in_namespace_async(|| async {
        let kept = Kept::start(AtEnd::Flush);
        kept.want(1, &[("10.7.0.0/24", "10.0.0.9"), ("10.8.0.0/24", "10.0.0.9")]).await;
        let expected = [
            "10.7.0.0/24 via 10.0.0.9 dev up0 metric 500",
            "10.8.0.0/24 via 10.0.0.9 dev up0 metric 500",
        ];
        assert_eq!(ours(), expected);
        kept.want(2, &[("10.8.0.0/24", "10.0.1.9")]).await;
        assert_eq!(ours(), ["10.8.0.0/24 via 10.0.1.9 dev up1 metric 500"]);
        // Whose router is in no network of this host is refused alone.
        let status =
            kept.want(3, &[("10.7.0.0/24", "192.0.2.1"), ("10.8.0.0/24", "10.0.1.9")]).await;
        assert_eq!(
            status.refused.keys().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.7.0.0/24"]
        );
        assert_eq!(ours(), ["10.8.0.0/24 via 10.0.1.9 dev up1 metric 500"]);
        // A link that goes takes its routes along, and they are back with it.
        ip("link set up1 down");
        ip("link set up1 up");
        ip("route flush proto 82");
        kept.until("the repair", |s| s.n_drift > 0 && s.n_routes == 1).await;
        assert_eq!(ours(), ["10.8.0.0/24 via 10.0.1.9 dev up1 metric 500"]);
        kept.stop().await;
        assert!(ours().is_empty());
        assert!(ip("route show").contains("10.0.0.0/24"), "others' routes stay");
    });
}

#[test]
fn what_a_predecessor_left_stays_until_it_is_known_what_is_wanted() {
    in_namespace_async(|| async {
        let first = Kept::start(AtEnd::Adopt);
        first.want(1, &[("10.7.0.0/24", "10.0.0.9"), ("10.8.0.0/24", "10.0.0.9")]).await;
        let left = ours();
        first.stop().await;
        assert_eq!(ours(), left);
        let second = Kept::start(AtEnd::Flush);
        second.until("the look", |s| s.n_adopted == 2).await;
        assert_eq!((ours(), second.task.status.borrow().number), (left, None));
        second.want(7, &[("10.8.0.0/24", "10.0.0.9")]).await;
        assert_eq!(ours(), ["10.8.0.0/24 via 10.0.0.9 dev up0 metric 500"]);
        assert_eq!(second.task.status.borrow().n_drift, 0);
        second.stop().await;
        assert!(ours().is_empty());
    });
}

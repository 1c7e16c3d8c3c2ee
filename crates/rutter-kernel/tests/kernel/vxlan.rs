//! Overlays' links: made, taken over, repaired, and carrying frames.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rutter_kernel::abilities;
use rutter_kernel::vxlan::{
    AtEnd, Bridge, Flooding, LinksSpec, ManagedBridge, OverlayLink, Remote, Status, Task, Vxlan,
    apply, compare, start,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::namespace::{Host, bridge, in_namespace, in_namespace_async, ip, lines, try_ip};
use crate::talk::{Echo, is_answered, socket};

/// How long anything may take before a test gives up. Nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon what someone else did is put right. Of [`TRIES`] the fastest counts: others may have
/// the machine's cores in one of them.
const GOAL: Duration = Duration::from_secs(1);
const TRIES: u64 = 3;

/// Events suffice.
const NO_AUDIT: Duration = Duration::from_secs(3600);

/// Links that are kept.
struct Links {
    wanted: watch::Sender<LinksSpec>,
    task: Task,
    stop: CancellationToken,
}

impl Links {
    fn keep(overlays: &[OverlayLink]) -> Self {
        Self::keep_all(spec(overlays), AtEnd::Leave)
    }

    /// Called in the namespace, within a runtime.
    fn keep_all(spec: LinksSpec, at_end: AtEnd) -> Self {
        let (wanted, heard) = watch::channel(spec);
        let stop = CancellationToken::new();
        let task = start(heard, at_end, NO_AUDIT, stop.clone()).unwrap();
        Self { wanted, task, stop }
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Duration {
        let began = Instant::now();
        let mut status = self.task.status.clone();
        let waited = tokio::time::timeout(PATIENCE, status.wait_for(|status| wanted(status)));
        match waited.await {
            Ok(status) => drop(status.unwrap()),
            Err(_) => panic!("{what} didn't come: {:?}", self.status()),
        }
        began.elapsed()
    }

    /// Wants other links, and waits until they are there.
    async fn change(&self, overlays: &[OverlayLink]) {
        let wanted = spec(overlays);
        self.wanted.send_replace(wanted.clone());
        self.until("the change", |s| s.settled && *s.wanted == wanted).await;
    }

    fn status(&self) -> Status {
        self.task.status.borrow().clone()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.ended.await.unwrap().unwrap();
    }
}

fn spec(overlays: &[OverlayLink]) -> LinksSpec {
    LinksSpec { overlays: overlays.to_vec(), bridges: Vec::new() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn head_end(peers: &[&str]) -> Flooding {
    Flooding::HeadEnd(peers.iter().map(|peer| address(peer).into()).collect())
}

/// An overlay over `up0`, whose bridge has `10.VNI.0.HOST/24`.
fn overlay(vni: u32, host: u8, peers: &[&str]) -> OverlayLink {
    OverlayLink {
        vni,
        vxlan: Vxlan {
            name: format!("vx{vni}").parse().unwrap(),
            port: 4789,
            learning: false,
            mtu: Some(1450),
            underlay: Some("up0".parse().unwrap()),
            preferred: Vec::new(),
            prefers_v6: false,
            flooding: head_end(peers),
        },
        bridge: Bridge {
            name: format!("br{vni}").parse().unwrap(),
            addresses: vec![format!("10.{vni}.0.{host}/24").parse().unwrap()],
        },
    }
}

fn entries(link: &str) -> Vec<String> {
    let all = lines(&bridge(&format!("fdb show dev {link}")));
    let mut all: Vec<String> =
        all.into_iter().filter(|line| line.starts_with("00:00:00:00:00:00")).collect();
    all.sort();
    all
}

fn index(link: &str) -> String {
    let shown = ip(&format!("-o link show {link}"));
    shown.split(':').next().unwrap().to_owned()
}

fn shows(link: &str, what: &str) {
    let shown = ip(&format!("-d link show {link}"));
    assert!(shown.contains(what), "`{what}` in {shown}");
}

#[test]
fn an_overlays_links_are_made_as_they_are_wanted() {
    in_namespace_async(|| async {
        let links = Links::keep(&[
            overlay(100, 1, &["10.0.0.2", "10.0.0.3"]),
            OverlayLink {
                vxlan: Vxlan { learning: true, port: 4790, ..overlay(101, 1, &[]).vxlan },
                ..overlay(101, 1, &[])
            },
        ]);
        links.until("the links", |s| s.settled).await;
        shows("vx100", "vxlan id 100 local 10.0.0.1 dev up0 srcport 0 0 dstport 4789 nolearning");
        shows("vx100", "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450");
        shows("vx100", "master br100");
        shows("vx100", "alias rutter");
        shows("br100", "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450");
        shows("vx101", "vxlan id 101 local 10.0.0.1 dev up0 srcport 0 0 dstport 4790 ttl");
        assert!(ip("address show br100").contains("inet 10.100.0.1/24 brd 10.100.0.255"));
        assert!(ip("address show br101").contains("inet 10.101.0.1/24"));
        let expected = ["10.0.0.2", "10.0.0.3"];
        let expected = expected.map(|to| format!("00:00:00:00:00:00 dst {to} self permanent"));
        assert_eq!(entries("vx100"), expected);
        assert_eq!(entries("vx101"), Vec::<String>::new());
        let status = links.status();
        assert_eq!((status.n_vxlans, status.n_bridges, status.n_flood), (2, 2, 2));
        assert_eq!((status.n_drift, status.errors.len(), status.remarks.len()), (0, 0, 0));
        assert_eq!(status.mtus.into_iter().collect::<Vec<_>>(), [(100, 1450), (101, 1450)]);
        links.stop().await;
        shows("vx100", "master br100");
    });
}

#[test]
fn what_differs_is_told_and_changed_once_without_a_task() {
    in_namespace(|| {
        let wanted = spec(&[overlay(100, 1, &["10.0.0.2"])]);
        let told = compare(&wanted).unwrap();
        assert_eq!((told.len(), told[0].of.as_str()), (1, "overlay 100"));
        assert_eq!(told[0].changes, ["make the bridge `br100`", "make the VXLAN `vx100`"]);
        assert!(!try_ip("link show br100").0, "nothing is changed");
        let status = apply(&wanted).unwrap();
        assert!(status.settled, "{status:?}");
        assert_eq!((status.n_vxlans, status.n_bridges, status.n_flood), (1, 1, 1));
        assert_eq!(compare(&wanted).unwrap(), []);
        ip("link set vx100 down");
        let told = compare(&wanted).unwrap();
        assert_eq!(told[0].changes, ["set `vx100` up"]);
    });
}

#[test]
fn what_the_kernel_can_do_is_found_by_asking_and_changes_nothing() {
    in_namespace(|| {
        let before = ip("link show");
        let abilities = abilities().unwrap();
        assert!(abilities.may_change);
        // The other tests need them.
        assert_eq!((abilities.vxlan, abilities.bridge), (Some(true), Some(true)));
        assert_eq!(abilities.objects, Some(try_ip("nexthop show").0));
        assert!(abilities.nftables.is_some());
        assert_eq!(ip("link show"), before);
    });
}

#[test]
fn links_that_another_daemon_made_are_taken_as_they_are() {
    in_namespace_async(|| async {
        for command in [
            "link add br100 type bridge",
            "link set br100 mtu 1450 up",
            "address add 10.100.0.1/24 dev br100",
            "link add vx100 type vxlan id 100 local 10.0.0.1 dev up0 dstport 4789 nolearning",
            "link set vx100 mtu 1450 master br100 up",
        ] {
            ip(command);
        }
        bridge("fdb append 00:00:00:00:00:00 dev vx100 dst 10.0.0.2");
        bridge("fdb append 00:00:00:00:00:00 dev vx100 dst 10.0.0.9");
        bridge("fdb append 02:00:00:00:00:07 dev vx100 dst 10.0.0.9");
        let before = (index("vx100"), index("br100"));
        let removes = Links::keep_all(spec(&[overlay(100, 1, &["10.0.0.2"])]), AtEnd::Remove);
        removes.until("the links", |s| s.settled).await;
        assert_eq!((index("vx100"), index("br100")), before);
        assert!(!ip("-d link show vx100").contains("alias"));
        assert_eq!(entries("vx100"), ["00:00:00:00:00:00 dst 10.0.0.2 self permanent"]);
        let all = bridge("fdb show dev vx100");
        assert!(all.contains("02:00:00:00:00:07 dst 10.0.0.9"), "what is learned stays: {all}");
        assert_eq!(removes.status().n_drift, 0);
        is_repaired(&removes, "the bridge is down", || drop(ip("link set br100 down"))).await;
        shows("br100", "UP,LOWER_UP");
        // What others made stays where even what is ours is removed.
        removes.stop().await;
        assert_eq!((index("vx100"), index("br100")), before);
    });
}

#[test]
fn a_later_process_knows_what_was_made_here_and_removes_nothing_else() {
    in_namespace_async(|| async {
        let both = [overlay(100, 1, &[]), overlay(101, 1, &[])];
        let first = Links::keep(&both);
        first.until("the links", |s| s.settled).await;
        first.stop().await;
        let before = index("vx100");
        ip("link add vm0 type veth peer name vm1");
        ip("link set vm0 master br101");

        let second = Links::keep_all(spec(&both), AtEnd::Remove);
        second.until("the links", |s| s.settled).await;
        assert_eq!(index("vx100"), before);
        // An overlay that is wanted no more goes while the others stay.
        second.wanted.send_replace(spec(&both[1..]));
        second.until("its end", |s| s.settled && s.n_vxlans == 1).await;
        assert!(!try_ip("link show vx100").0 && !try_ip("link show br100").0);
        second.stop().await;
        assert!(!try_ip("link show vx101").0);
        shows("br101", "alias rutter");
        shows("vm0", "master br101");
    });
}

/// Does harm until it is put right soon enough; says so if it never is.
async fn is_repaired(links: &Links, what: &str, harm: impl Fn()) {
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        let drift = links.status().n_drift;
        harm();
        fastest = fastest.min(links.until(what, |s| s.settled && s.n_drift > drift).await);
        if fastest < GOAL {
            println!("{what}: put right after {fastest:?}");
            return;
        }
    }
    panic!("{what}: put right after {fastest:?} only");
}

#[test]
fn what_someone_removes_or_changes_is_back_in_under_a_second() {
    in_namespace_async(|| async {
        let links = Links::keep(&[overlay(100, 1, &["10.0.0.2", "10.0.0.3"])]);
        links.until("the links", |s| s.settled).await;
        let is_whole = || {
            shows("vx100", "vxlan id 100 local 10.0.0.1 dev up0");
            shows("vx100", "mtu 1450");
            shows("vx100", "master br100");
            shows("br100", "UP,LOWER_UP");
            assert!(ip("address show br100").contains("inet 10.100.0.1/24"));
            assert_eq!(entries("vx100").len(), 2);
        };
        let harms: [(&str, fn()); 9] = [
            ("the VXLAN is removed", || drop(ip("link del vx100"))),
            ("the bridge is removed", || drop(ip("link del br100"))),
            ("the bridge is down", || drop(ip("link set br100 down"))),
            ("the VXLAN is down", || drop(ip("link set vx100 down"))),
            ("the VXLAN is no port", || drop(ip("link set vx100 nomaster"))),
            ("the address is removed", || drop(ip("address del 10.100.0.1/24 dev br100"))),
            ("the MTU is another", || drop(ip("link set vx100 mtu 1300"))),
            ("it learns", || drop(ip("link set vx100 type vxlan id 100 learning"))),
            ("an entry is removed", || {
                bridge("fdb del 00:00:00:00:00:00 dev vx100 dst 10.0.0.3");
            }),
        ];
        for (what, harm) in harms {
            is_repaired(&links, what, harm).await;
            is_whole();
        }
        assert_eq!(links.status().errors.len(), 0);
        links.stop().await;
    });
}

#[test]
fn entries_follow_the_peers_that_are_well_and_that_is_no_drift() {
    in_namespace_async(|| async {
        let links = Links::keep(&[overlay(100, 1, &["10.0.0.2", "10.0.0.3"])]);
        links.until("the links", |s| s.settled && s.n_flood == 2).await;
        links.change(&[overlay(100, 1, &["10.0.0.3"])]).await;
        assert_eq!(links.status().n_flood, 1);
        assert_eq!(entries("vx100"), ["00:00:00:00:00:00 dst 10.0.0.3 self permanent"]);
        // Over a link of its own.
        let mut over = overlay(100, 1, &[]);
        let remote = Remote { address: address("10.0.0.3"), over: Some("up1".parse().unwrap()) };
        over.vxlan.flooding = Flooding::HeadEnd([remote].into());
        links.change(&[over]).await;
        assert_eq!(entries("vx100"), ["00:00:00:00:00:00 dst 10.0.0.3 via up1 self permanent"]);
        links.change(&[overlay(100, 1, &[])]).await;
        assert_eq!(links.status().n_flood, 0);
        assert_eq!(entries("vx100"), Vec::<String>::new());
        links.change(&[overlay(100, 1, &["10.0.0.2"])]).await;
        assert_eq!(links.status().n_flood, 1);
        assert_eq!(links.status().n_drift, 0);
        // An original's entry for a peer that is dead.
        bridge("fdb append 00:00:00:00:00:00 dev vx100 dst 10.0.0.77");
        links.until("its end", |s| s.settled && s.n_drift == 1).await;
        assert_eq!(entries("vx100"), ["00:00:00:00:00:00 dst 10.0.0.2 self permanent"]);
        links.stop().await;
    });
}

#[test]
fn thousands_of_peers_are_entered_and_removed_in_several_sends() {
    in_namespace_async(|| async {
        let peers = |n: u32| (1..=n).map(|n| IpAddr::from((0x0a00_1000 + n).to_be_bytes()).into());
        let with = |n| {
            let mut wanted = overlay(100, 1, &[]);
            wanted.vxlan.flooding = Flooding::HeadEnd(peers(n).collect());
            spec(&[wanted])
        };
        let links = Links::keep_all(with(2500), AtEnd::Leave);
        links.until("the entries", |s| s.settled && s.n_flood == 2500).await;
        assert_eq!(entries("vx100").len(), 2500);
        links.wanted.send_replace(with(7));
        links.until("the rest", |s| s.settled && s.n_flood == 7).await;
        assert_eq!(entries("vx100").len(), 7);
        links.stop().await;
    });
}

#[test]
fn what_cant_be_changed_while_the_link_lives_makes_it_anew() {
    in_namespace_async(|| async {
        let links = Links::keep(&[overlay(100, 1, &["10.0.0.2"])]);
        links.until("the links", |s| s.settled).await;
        let (vxlan, bridge) = (index("vx100"), index("br100"));
        let mut wanted = overlay(100, 1, &["10.0.0.2"]);
        (wanted.vni, wanted.vxlan.port) = (7, 4790);
        links.change(&[wanted.clone()]).await;
        shows("vx100", "vxlan id 7 local 10.0.0.1 dev up0 srcport 0 0 dstport 4790");
        assert_ne!(index("vx100"), vxlan);
        assert_eq!(index("br100"), bridge);
        assert_eq!(entries("vx100").len(), 1);

        // What can be changed leaves it.
        let vxlan = index("vx100");
        wanted.vxlan.underlay = Some("up1".parse().unwrap());
        wanted.vxlan.learning = true;
        links.change(&[wanted.clone()]).await;
        shows("vx100", "vxlan id 7 local 10.0.1.1 dev up1 srcport 0 0 dstport 4790 ttl");
        assert_eq!(index("vx100"), vxlan);
        // A multicast group is no property of a link that lives.
        wanted.vxlan.flooding = Flooding::Multicast(address("239.1.1.1"));
        links.change(&[wanted]).await;
        shows("vx100", "vxlan id 7 group 239.1.1.1 local 10.0.1.1 dev up1");
        assert_ne!(index("vx100"), vxlan);
        assert_eq!(links.status().n_drift, 0);
        links.stop().await;
    });
}

#[test]
fn what_fails_in_one_overlay_leaves_the_others_alone_and_is_tried_again() {
    in_namespace_async(|| async {
        ip("link add vx100 type veth peer name other");
        ip("link add taken type vxlan id 102 dstport 4789 dev up0");
        let mut no_link = overlay(101, 1, &[]);
        no_link.vxlan.underlay = Some("eth9".parse().unwrap());
        let doubled = OverlayLink { vni: 104, ..overlay(103, 1, &[]) };
        let other_family = overlay(105, 1, &["2001:db8::2"]);
        let overlays = [
            overlay(100, 1, &[]),
            no_link,
            overlay(102, 1, &[]),
            overlay(103, 1, &["10.0.0.2"]),
            doubled,
            other_family,
        ];
        let links = Links::keep(&overlays);
        links.until("the errors", |s| s.errors.len() == 5 && s.n_flood == 1).await;
        let errors = links.status().errors;
        let expected = [
            (100, "`vx100` is no VXLAN but a link of kind `veth`, and is left alone"),
            (101, "there is no link `eth9` below it"),
            (102, "can't make the VXLAN `vx102`: "),
            (104, "its number, `vx103` or `br103` is another overlay's too"),
            (105, "can't have `vx105` copy frames to 2001:db8::2: "),
        ];
        for (vni, why) in expected {
            assert!(errors[&vni].starts_with(why), "{vni}: {}", errors[&vni]);
        }
        shows("vx103", "master br103");
        shows("vx100", "veth");

        ip("link del vx100");
        ip("link del taken");
        ip("link add eth9 type veth peer name eth8");
        ip("address add 10.9.0.1/24 dev eth9");
        ip("link set eth9 up");
        let left = |s: &Status| s.errors.keys().copied().collect::<Vec<_>>() == [104, 105];
        links.until("the repair", left).await;
        shows("vx101", "local 10.9.0.1 dev eth9");
        links.wanted.send_replace(spec(&overlays[..4]));
        links.until("the rest", |s| s.settled && s.n_vxlans == 4).await;
        links.stop().await;
    });
}

#[test]
fn a_managed_bridge_is_kept_and_another_is_not_made() {
    in_namespace_async(|| async {
        for name in ["vmbr0", "lan0"] {
            ip(&format!("link add {name} type bridge"));
        }
        let managed = |name: &str, stp, mtu| {
            let name = name.parse().unwrap();
            ManagedBridge { name, stp, mtu }
        };
        let bridges = vec![
            managed("vmbr0", true, Some(9000)),
            managed("br100", false, Some(1400)),
            managed("gone0", false, None),
        ];
        let wanted = LinksSpec { overlays: vec![overlay(100, 1, &[])], bridges };
        let links = Links::keep_all(wanted, AtEnd::Leave);
        links.until("the bridges", |s| s.bridge_errors.len() == 1 && s.n_vxlans == 1).await;
        let (_, why) = links.status().bridge_errors.into_iter().next().unwrap();
        assert_eq!(why, "there is no bridge `gone0` to manage");
        shows("vmbr0", "mtu 9000");
        shows("vmbr0", "stp_state 1");
        shows("vmbr0", "UP");
        shows("br100", "mtu 1400");
        shows("lan0", "state DOWN");
        ip("link set vmbr0 mtu 1500");
        links.until("the repair", |s| s.n_drift > 0).await;
        shows("vmbr0", "mtu 9000");
        links.stop().await;
    });
}

#[test]
fn an_mtu_follows_the_underlay_and_what_does_not_fit_is_told() {
    in_namespace_async(|| async {
        let mut derived = overlay(101, 1, &[]);
        derived.vxlan.mtu = None;
        let links = Links::keep(&[overlay(100, 1, &[]), derived]);
        links.until("the links", |s| s.settled && s.mtus.get(&101) == Some(&1450)).await;
        ip("link set up0 mtu 1400");
        links.until("the MTU", |s| s.settled && s.mtus.get(&101) == Some(&1350)).await;
        for name in ["vx100", "vx101", "br100", "br101"] {
            shows(name, "mtu 1350");
        }
        let remarks = links.status().remarks;
        let told = "an MTU of 1450 doesn't fit: `up0` has 1400 and VXLAN takes 50, so it is 1350";
        assert_eq!(remarks.into_iter().collect::<Vec<_>>(), [(100, told.to_owned())]);
        ip("link set up0 mtu 9000");
        links.until("the return", |s| s.settled && s.mtus.get(&101) == Some(&8950)).await;
        shows("vx100", "mtu 1450");
        assert_eq!(links.status().remarks.len(), 0);
        links.stop().await;
    });
}

/// Two hosts on one wire: this thread's `up0` and the other's, 10.0.0.1 and .2 and 2001:db8::1 and
/// ::2.
fn two_hosts() -> Host {
    let other = Host::new();
    other.take("far0");
    other.ip("link set far0 name up0");
    other.ip("link set up0 up");
    other.ip("address add 10.0.0.2/24 dev up0");
    other.ip("-6 address add 2001:db8::2/64 dev up0 nodad");
    other
}

/// Keeps links on another host.
fn keep_there(host: &Host, overlays: Vec<OverlayLink>) -> Links {
    let handle = Handle::current();
    host.run(move || {
        let _within = handle.enter();
        Links::keep(&overlays)
    })
}

#[test]
fn two_hosts_reach_each_other_over_each_overlay_that_was_made() {
    in_namespace_async(|| async {
        let other = two_hosts();
        let mut v6 = overlay(101, 1, &["2001:db8::2"]);
        v6.vxlan.prefers_v6 = true;
        v6.vxlan.mtu = None;
        let here = Links::keep(&[overlay(100, 1, &["10.0.0.2"]), v6]);
        let mut v6 = overlay(101, 2, &["2001:db8::1"]);
        v6.vxlan.prefers_v6 = true;
        v6.vxlan.mtu = None;
        let there = keep_there(&other, vec![overlay(100, 2, &["10.0.0.1"]), v6]);
        here.until("the links", |s| s.settled).await;
        there.until("the other's links", |s| s.settled).await;
        shows("vx101", "vxlan id 101 local 2001:db8::1 dev up0");
        shows("vx101", "mtu 1430");
        for there in ["10.100.0.2", "10.101.0.2"] {
            let echo = Echo::at(&other, there);
            is_answered(&socket(None, "0.0.0.0"), echo.at);
        }
        here.stop().await;
        there.stop().await;
    });
}

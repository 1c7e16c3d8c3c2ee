//! The blocking sink.

use rutter_kernel::{Cleaned, Hop, HopSet, ObjectIds, Sink, SinkSpec, Target, Wanted, clean};
use rutter_route::Prefix;

use crate::namespace::{in_namespace, ip, lines, try_ip};

const IDS: ObjectIds = ObjectIds { first: 70_000, count: 1000 };

fn spec(objects: bool) -> SinkSpec {
    SinkSpec::new(100, objects.then_some(IDS))
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn via(address: &str) -> Hop {
    Hop::via(address.parse().unwrap())
}

fn through(hops: &[Hop], priority: u32) -> Option<Wanted> {
    let hops = HopSet::new(hops.iter().cloned()).unwrap();
    Some(Wanted { target: Target::Via(hops), priority })
}

fn many(n: u32) -> Vec<Prefix> {
    (0..n).map(|i| prefix(&format!("172.{}.{}.0/24", 16 + (i >> 8), i & 255))).collect()
}

fn table(family: &str) -> Vec<String> {
    let (_, out) = try_ip(&format!("{family} route show table 100"));
    lines(&out)
}

#[test]
fn ten_thousand_prefixes_are_installed_replaced_moved_and_removed() {
    in_namespace(|| {
        for objects in [true, false] {
            let mut sink = Sink::open(spec(objects)).unwrap();
            sink.look().unwrap();
            sink.sweep();
            let prefixes = many(10_000);
            for prefix in &prefixes {
                sink.want(*prefix, through(&[via("10.0.0.2")], 100));
            }
            let settled = sink.settle().unwrap();
            assert!(settled.refused.is_empty(), "{:?}", settled.refused.first());
            assert_eq!(sink.uses_objects(), objects);
            assert_eq!(table("").len(), 10_000);
            assert_eq!(sink.n_objects(), usize::from(objects));
            let shown = table("");
            assert!(shown[0].starts_with("172.16.0.0/24 "), "{}", shown[0]);
            assert!(shown[0].contains("via 10.0.0.2 dev up0 proto 82 metric 100"), "{}", shown[0]);

            // All move: one request where there are objects.
            for prefix in &prefixes {
                sink.want(*prefix, through(&[via("10.0.1.2")], 100));
            }
            let settled = sink.settle().unwrap();
            assert_eq!(settled.n_requests, if objects { 1 } else { 10_000 });
            let shown = table("");
            assert_eq!(shown.len(), 10_000);
            assert!(shown.iter().all(|line| line.contains("via 10.0.1.2 dev up1")), "{}", shown[0]);

            // Another priority: never two at the end.
            for prefix in &prefixes {
                sink.want(*prefix, through(&[via("10.0.1.2")], 200));
            }
            sink.settle().unwrap();
            let shown = table("");
            assert_eq!(shown.len(), 10_000);
            assert!(shown.iter().all(|line| line.contains("metric 200")), "{}", shown[0]);

            for prefix in &prefixes {
                sink.want(*prefix, None);
            }
            sink.settle().unwrap();
            assert_eq!(table(""), Vec::<String>::new());
            assert_eq!(ip("nexthop show"), "");
            assert_eq!((sink.n_routes(), sink.n_objects()), (0, 0));
        }
    });
}

fn settled(sink: &mut Sink) {
    let settled = sink.settle().unwrap();
    assert!(settled.refused.is_empty(), "{:?}", settled.refused);
}

/// A sink that has looked, and sweeps.
fn opened(spec: SinkSpec) -> Sink {
    let mut sink = Sink::open(spec).unwrap();
    sink.look().unwrap();
    sink.sweep();
    sink
}

#[test]
fn what_a_killed_predecessor_left_is_adopted() {
    in_namespace(|| {
        for objects in [true, false] {
            let hops = [via("10.0.0.2"), via("10.0.1.2").weighing(2)];
            let mut first = opened(spec(objects));
            for prefix in many(100) {
                first.want(prefix, through(&hops, 100));
            }
            settled(&mut first);
            let before = table("");
            drop(first);

            let mut second = Sink::open(spec(objects)).unwrap();
            let looked = second.look().unwrap();
            assert_eq!((looked.adopted, looked.drift), (100, 0));
            for prefix in many(40) {
                second.want(prefix, through(&hops, 100));
            }
            assert_eq!(second.settle().unwrap().n_requests, 0, "what is right is left as it is");
            assert_eq!(table(""), before);
            second.sweep();
            assert_eq!(second.settle().unwrap().n_requests, 60);
            let left = table("").into_iter().filter(|line| line.starts_with("172."));
            assert_eq!(left.count(), 40);
            second.flush().unwrap();
            assert_eq!(table(""), Vec::<String>::new());
            assert_eq!(ip("nexthop show"), "");
        }
    });
}

#[test]
fn anothers_routes_and_objects_are_untouched() {
    in_namespace(|| {
        ip("route add 172.16.0.0/24 via 10.0.0.7 table 100 metric 100 proto static");
        ip("route add 172.16.1.0/24 via 10.0.0.7 table 100 metric 7 proto static");
        ip("route add 172.17.0.0/24 via 10.0.0.7 table 101 metric 100 proto 82");
        ip("-6 route add fd00:9::/64 via 2001:db8::7 table 100 metric 100 proto static");
        ip("nexthop add id 70000 via 10.0.0.7 dev up0 proto static");
        let before = (ip("route show table 101"), ip("nexthop show"));
        let mut sink = opened(spec(true));
        let kept = prefix("172.16.0.0/24");
        let kept_v6 = prefix("fd00:9::/64");
        sink.want(kept, through(&[via("10.0.0.2")], 100));
        sink.want(kept_v6, through(&[via("2001:db8::2")], 100));
        sink.want(prefix("172.16.1.0/24"), through(&[via("10.0.0.2")], 100));
        let mut refused = sink.settle().unwrap().refused;
        refused.sort();
        let why = "a route of protocol 4 with the same prefix and metric 100 is in the table; \
                   it is left alone";
        let expected = [(kept, why.to_owned()), (kept_v6, why.to_owned())];
        assert_eq!(refused, expected);
        let shown = table("");
        let expected = [
            "172.16.0.0/24 via 10.0.0.7 dev up0 proto static metric 100",
            "172.16.1.0/24 via 10.0.0.7 dev up0 proto static metric 7",
        ];
        assert_eq!(shown[..2], expected);
        assert!(shown[2].contains("via 10.0.0.2 dev up0 proto 82 metric 100"), "{shown:?}");

        // One that comes between a look and what is put isn't overwritten either.
        let late = prefix("172.16.2.0/24");
        ip("route add 172.16.2.0/24 via 10.0.0.7 table 100 metric 100 proto static");
        sink.want(late, through(&[via("10.0.0.2")], 100));
        let refused = sink.settle().unwrap().refused;
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].1.contains("it is left alone"), "{refused:?}");

        // It goes, and ours comes.
        ip("route del 172.16.0.0/24 table 100 metric 100");
        sink.look().unwrap();
        assert_eq!(sink.settle().unwrap().accepted, [kept]);
        sink.flush().unwrap();
        let left = table("");
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.iter().all(|line| line.contains("proto static")), "{left:?}");
        assert!(table("-6").iter().any(|line| line.contains("via 2001:db8::7")));
        assert_eq!((ip("route show table 101"), ip("nexthop show")), before);
    });
}

#[test]
fn an_off_link_next_hop_is_refused_for_its_route_alone_with_the_kernels_words() {
    in_namespace(|| {
        for objects in [true, false] {
            let mut sink = opened(spec(objects));
            let prefixes = many(100);
            for (n, prefix) in prefixes.iter().enumerate() {
                let hop = if n == 50 { "192.0.2.9" } else { "10.0.0.2" };
                sink.want(*prefix, through(&[via(hop)], 100));
            }
            let refused = sink.settle().unwrap().refused;
            let words = "Nexthop has invalid gateway (Network is unreachable (os error 101))";
            assert_eq!(refused, [(prefixes[50], words.to_owned())]);
            assert_eq!(table("").len(), 99);

            // With an address it is on the link.
            ip("address add 192.0.2.1/24 dev up1");
            sink.look().unwrap();
            assert_eq!(sink.settle().unwrap().accepted, [prefixes[50]]);
            assert_eq!(table("").len(), 100);
            ip("address del 192.0.2.1/24 dev up1");
            sink.flush().unwrap();
        }
    });
}

#[test]
fn ipv6_and_ipv4_through_an_ipv6_router() {
    in_namespace(|| {
        for objects in [true, false] {
            let mut sink = opened(spec(objects));
            let v6 = prefix("fd00:1::/64");
            let v4 = prefix("172.16.0.0/24");
            sink.want(v6, through(&[via("2001:db8::2")], 0));
            sink.want(v4, through(&[via("2001:db8::2")], 100));
            let link_local = via("fe80::2").on("up1".parse().unwrap());
            sink.want(prefix("fd00:2::/64"), through(&[link_local], 300));
            settled(&mut sink);
            let shown = table("-6");
            assert_eq!(shown.len(), 2, "{shown:?}");
            assert!(shown[0].contains("via 2001:db8::2 dev up0 proto 82 metric 1024"), "{shown:?}");
            assert!(shown[1].contains("via fe80::2 dev up1 proto 82 metric 300"), "{shown:?}");
            let shown = table("");
            assert!(
                shown[0].contains("via inet6 2001:db8::2 dev up0 proto 82 metric 100"),
                "{shown:?}"
            );
            assert_eq!(sink.n_objects(), if objects { 2 } else { 0 });

            // In place, to ECMP of both families, and to nothing.
            sink.want(v4, through(&[via("2001:db8::2"), via("10.0.1.2").weighing(3)], 100));
            sink.want(v6, through(&[via("2001:db8::2"), via("2001:db8:1::2")], 0));
            settled(&mut sink);
            let shown = table("").join(" ");
            assert!(shown.contains("nexthop via 10.0.1.2 dev up1 weight 3"), "{shown}");
            assert!(shown.contains("nexthop via inet6 2001:db8::2 dev up0 weight 1"), "{shown}");
            let shown = table("-6").join(" ");
            assert!(shown.contains("nexthop via 2001:db8:1::2 dev up1 weight 1"), "{shown}");
            assert_eq!(sink.look().unwrap().drift, 0);
            assert_eq!(sink.settle().unwrap().n_requests, 0, "it is as it was found");

            for (target, word) in [
                (Target::Unreachable, "unreachable"),
                (Target::Prohibit, "prohibit"),
                (Target::Blackhole, "blackhole"),
            ] {
                for prefix in [v4, v6] {
                    let target = target.clone();
                    sink.want(prefix, Some(Wanted { target, priority: 100 }));
                }
                settled(&mut sink);
                let is = |lines: Vec<String>| lines.iter().any(|line| line.starts_with(word));
                assert!(
                    is(table("")) && is(table("-6")),
                    "{word}: {:?} {:?}",
                    table(""),
                    table("-6")
                );
                assert_eq!(sink.look().unwrap().drift, 0);
                assert_eq!(sink.settle().unwrap().n_requests, 0, "it is as it was found");
            }
            assert_eq!(table("").len(), 1);
            sink.flush().unwrap();
            assert_eq!((table(""), table("-6")), (Vec::new(), Vec::new()));
        }
    });
}

#[test]
fn a_hop_whose_link_is_down_leaves_a_group_and_comes_back() {
    in_namespace(|| {
        let mut sink = opened(spec(true));
        let p = prefix("172.16.0.0/24");
        let on = |address, link: &str| via(address).on(link.parse().unwrap());
        sink.want(p, through(&[on("10.0.0.2", "up0"), on("10.0.1.2", "up1")], 100));
        settled(&mut sink);
        assert!(table("").join(" ").contains("nexthop via 10.0.1.2 dev up1"));
        ip("link set up1 down");
        sink.look().unwrap();
        settled(&mut sink);
        let shown = table("").join(" ");
        assert!(shown.contains("via 10.0.0.2 dev up0") && !shown.contains("up1"), "{shown}");
        ip("link set up0 down");
        sink.look().unwrap();
        let refused = sink.settle().unwrap().refused;
        assert_eq!(refused.len(), 1);
        assert!(refused[0].1.contains("Nexthop device is not up"), "{refused:?}");
        assert_eq!(table(""), Vec::<String>::new());
        ip("link set up0 up");
        ip("link set up1 up");
        sink.look().unwrap();
        assert_eq!(sink.settle().unwrap().accepted, [p]);
        let shown = table("").join(" ");
        assert!(shown.contains("10.0.0.2") && shown.contains("10.0.1.2"), "{shown}");
    });
}

#[test]
fn the_clean_up_takes_what_bears_the_number_in_the_table_and_its_objects() {
    in_namespace(|| {
        let hops = [via("10.0.0.2"), via("10.0.1.2")];
        let mut sink = opened(spec(true));
        for prefix in many(1500) {
            sink.want(prefix, through(&hops[..1], 100));
        }
        sink.want(prefix("fd00::/8"), through(&[via("2001:db8::2")], 100));
        sink.want(prefix("10.9.0.0/16"), through(&hops, 200));
        settled(&mut sink);
        let (flushed, words) = try_ip("route flush table 100 proto 82");
        assert!(!flushed, "people's habit works by now, so say it in the docs: {words}");
        sink.want(prefix("10.10.0.0/16"), Some(Wanted { target: Target::Prohibit, priority: 5 }));
        settled(&mut sink);
        // What others have: a route of another number, one that names an object of ours, a table.
        let shared = lines(&ip("nexthop show"))
            .into_iter()
            .find(|line| line.contains("via 10.0.1.2"))
            .unwrap();
        let shared = shared.split(' ').nth(1).unwrap();
        ip("route add 10.11.0.0/16 via 10.0.0.7 table 100 proto static");
        ip(&format!("route add 10.12.0.0/16 nhid {shared} table 101 proto static"));
        ip("route add 10.13.0.0/16 via 10.0.0.7 table 101 proto 82");
        drop(sink);

        let cleaned = clean(100, 82, None).unwrap();
        assert_eq!(cleaned, Cleaned { n_routes: 1503, n_objects: 3, refused: Vec::new() });
        let left = ["10.11.0.0/16 via 10.0.0.7 dev up0 proto static"];
        assert_eq!((table(""), table("-6")), (vec![left[0].to_owned()], Vec::new()));
        assert_eq!(lines(&ip("route show table 101")).len(), 2);
        assert_eq!(lines(&ip("nexthop show")).len(), 1);

        ip("route del 10.12.0.0/16 table 101");
        assert_eq!(clean(100, 82, None).unwrap(), Cleaned::default());
        assert_eq!(clean(100, 82, Some(IDS)).unwrap().n_objects, 1);
        assert_eq!(ip("nexthop show"), "");
        assert!(clean(100, 4, None).is_err(), "the operator's own");
    });
}

#[test]
fn with_replace_existing_anothers_route_is_displaced_kept_and_put_back() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        let replacing =
            || SinkSpec { replace_existing: Some(folder.path().join("displaced")), ..spec(true) };
        // One of each form that an operator's route may have.
        ip("nexthop add id 5 via 10.0.1.7 dev up1");
        let theirs = [
            (
                "",
                "172.16.0.0/24 via 10.0.0.7 dev up0 proto static src 10.0.0.1 metric 100 mtu 1400",
            ),
            ("", "172.16.1.0/24 dev up0 proto static scope link metric 100"),
            ("", "172.16.2.0/24 nhid 5 proto static metric 100"),
            (
                "",
                "172.16.3.0/24 proto static metric 100 nexthop via 10.0.0.7 dev up0 weight 1 \
                  nexthop via 10.0.1.7 dev up1 weight 2",
            ),
            ("", "blackhole 172.16.4.0/24 proto static metric 100"),
            ("-6", "fd00:1::/64 via 2001:db8::7 dev up0 proto static metric 100 pref high"),
        ];
        for (family, route) in theirs {
            ip(&format!("{family} route add table 100 {route}"));
        }
        let before = (table(""), table("-6"));
        let prefixes: Vec<Prefix> = (0..5).map(|n| prefix(&format!("172.16.{n}.0/24"))).collect();
        let take = |sink: &mut Sink| {
            for prefix in &prefixes {
                sink.want(*prefix, through(&[via("10.0.1.2")], 100));
            }
            sink.want(prefix("fd00:1::/64"), through(&[via("2001:db8:1::2")], 100));
            settled(sink);
        };
        let mut sink = opened(replacing());
        take(&mut sink);
        let ours = |shown: Vec<String>| shown.iter().all(|line| line.contains("proto 82"));
        assert!(ours(table("")) && ours(table("-6")), "{:?}", table(""));

        // One is put back in the same message that removes ours, the rest after a restart.
        sink.want(prefixes[0], None);
        settled(&mut sink);
        assert_eq!(table("")[0], before.0[0]);
        drop(sink);
        let mut next = Sink::open(replacing()).unwrap();
        next.look().unwrap();
        next.settle().unwrap();
        assert_eq!(table("").iter().filter(|line| line.contains("proto 82")).count(), 4);
        next.flush().unwrap();
        assert_eq!((table(""), table("-6")), before);
        drop(next);
        // Nothing is left to be put back.
        let mut last = Sink::open(replacing()).unwrap();
        ip("route del table 100 172.16.0.0/24");
        last.flush().unwrap();
        assert_eq!(table(""), before.0[1..]);
    });
}

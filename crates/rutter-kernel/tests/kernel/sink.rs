//! The blocking sink.

use rutter_kernel::{Hop, HopSet, ObjectIds, Sink, SinkSpec, Target, Wanted};
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

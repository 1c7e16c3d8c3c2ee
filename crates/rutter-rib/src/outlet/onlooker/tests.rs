use rutter_route::{Attributes, RouteKey, Service, Standing};

use super::*;

fn service(name: &str) -> Service {
    Service::http(format!("{name}.localhost").parse().unwrap())
}

fn routes(ports: &[u16]) -> Vec<ToldRoute> {
    let route = |port: &u16| ToldRoute {
        route: RouteKey {
            source: format!("agent/a{port}").parse().unwrap(),
            path: Default::default(),
        },
        attributes: Attributes::via(format!("http://10.0.0.1:{port}").parse().unwrap()),
        standing: Standing::Eligible,
        equal: false,
    };
    ports.iter().map(route).collect()
}

/// A service and the ports of its routes from now on; `None`: withdrawn.
type Said<'a> = (&'a str, Option<&'a [u16]>);

fn batch(tells: &[Said<'_>], snapshot: bool) -> Batch<Service> {
    let tell = |(name, ports): &Said<'_>| match ports {
        Some(ports) => {
            Tell::Advertise { number: 1, destination: service(name), routes: routes(ports) }
        }
        None => Tell::Withdraw { number: 1, destination: service(name) },
    };
    let tells = tells.iter().map(tell).collect();
    Batch { tells, begin_snapshot: snapshot, end_of_snapshot: snapshot, more: false }
}

#[test]
fn the_differences_make_what_an_acting_sink_would_hold() {
    let cases: [(&[Said<'_>], bool, &[&str]); 6] = [
        (&[("a", Some(&[1])), ("b", Some(&[1]))], true, &["a", "b"]),
        // Moves; stands; comes.
        (&[("a", Some(&[2, 1])), ("b", Some(&[1])), ("c", Some(&[]))], false, &["a", "c"]),
        (&[("b", None), ("d", None)], false, &["b"]),
        // A snapshot that says the same is no difference; what it leaves out is gone.
        (&[("a", Some(&[2, 1])), ("c", Some(&[]))], true, &[]),
        (&[("a", Some(&[2, 1]))], true, &["c"]),
        (&[], true, &["a"]),
    ];
    let mut onlooker = Onlooker::default();
    let mut held: BTreeMap<Service, Vec<ToldRoute>> = BTreeMap::new();
    for (tells, snapshot, differ) in cases {
        let differences = onlooker.take(batch(tells, snapshot));
        let names: Vec<_> = differences.iter().map(|d| d.destination.clone()).collect();
        assert_eq!(names, differ.iter().map(|n| service(n)).collect::<Vec<_>>(), "{tells:?}");
        for Difference { destination, before, after } in differences {
            assert_eq!(held.remove(&destination), before);
            held.extend(after.map(|after| (destination, after)));
        }
        assert_eq!(held, onlooker.told);
        assert_eq!(held.len(), onlooker.len());
    }
    assert!(onlooker.is_empty());
}

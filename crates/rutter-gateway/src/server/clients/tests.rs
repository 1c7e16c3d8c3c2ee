use proptest::prelude::*;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_client_is_an_address_of_ipv4_and_a_64_of_ipv6() {
    let clients = Arc::new(Clients::default());
    let first = clients.enter(address("192.0.2.1"), 1).unwrap();
    assert!(clients.enter(address("192.0.2.1"), 1).is_none());
    assert!(clients.enter(address("::ffff:192.0.2.1"), 1).is_none(), "the same, mapped");
    let _other = clients.enter(address("192.0.2.2"), 1).unwrap();
    let _six = clients.enter(address("2001:db8::1"), 1).unwrap();
    assert!(clients.enter(address("2001:db8::ffff:1"), 1).is_none(), "the same /64");
    let _next = clients.enter(address("2001:db8:0:1::1"), 1).unwrap();
    drop(first);
    assert!(clients.enter(address("192.0.2.1"), 1).is_some());
    assert_eq!(clients.len(), 3, "who has none left isn't remembered");
}

#[test]
fn who_is_exempt_is_not_counted() {
    let clients = Arc::new(Clients::default());
    let places: Vec<_> = std::iter::repeat_with(ClientPlace::exempt).take(3).collect();
    drop(places);
    assert_eq!(clients.len(), 0);
}

proptest! {
    /// However connections come and go, a client has at most its bound, the counts are those of
    /// the connections that are open, and nothing is left when the last has gone.
    #[test]
    fn counts_are_those_of_what_is_open(steps in prop::collection::vec((0..6_u8, 1..4_u32, any::<bool>()), 0..200)) {
        let clients = Arc::new(Clients::default());
        let mut open: Vec<(u8, ClientPlace)> = Vec::new();
        for (client, max, comes) in steps {
            let n_open = open.iter().filter(|(of, _)| *of == client).count();
            if comes {
                let place = clients.enter(IpAddr::from([192, 0, 2, client]), max);
                prop_assert_eq!(place.is_some(), n_open < max as usize);
                open.extend(place.map(|place| (client, place)));
            } else if let Some(at) = open.iter().position(|(of, _)| *of == client) {
                drop(open.swap_remove(at));
            }
            let who: std::collections::BTreeSet<_> = open.iter().map(|(of, _)| *of).collect();
            prop_assert_eq!(clients.len(), who.len());
        }
        drop(open);
        prop_assert_eq!(clients.len(), 0);
    }
}

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        (any::<u32>(), 0u8..=32).prop_map(|(a, l)| {
            Prefix::truncated(IpAddr::V4(a.into()), l).unwrap_or(Prefix::DEFAULT_V4)
        }),
        (any::<u128>(), 0u8..=128).prop_map(|(a, l)| {
            Prefix::truncated(IpAddr::V6(a.into()), l).unwrap_or(Prefix::DEFAULT_V6)
        }),
    ]
}

proptest! {
    #[test]
    fn a_prefix_round_trips(p in prefix()) {
        prop_assert_eq!(p.to_string().parse::<Prefix>().unwrap(), p);
        prop_assert_eq!(Prefix::new(p.address(), p.length()).unwrap(), p);
    }

    #[test]
    fn containing_is_what_addresses_say(a in prefix(), b in prefix()) {
        if a.contains(&b) {
            prop_assert!(a.contains_address(b.address()));
            prop_assert!(a.contains_address(b.last_address()));
            prop_assert!(a <= b);
        }
        prop_assert_eq!(a.overlaps(&b), a.contains_address(b.address()) || b.contains_address(a.address()));
    }

    #[test]
    fn parsing_hostile_text_never_panics(text in "\\PC{0,64}") {
        let _ = text.parse::<Prefix>();
        let _ = text.parse::<Service>();
        let _ = text.parse::<NextHop>();
        let _ = text.parse::<SourceId>();
        let _ = text.parse::<PathId>();
        let _ = text.parse::<ClusterId>();
    }

    #[test]
    fn a_priority_round_trips(n in -1_000_000_000i64..1_000_000_000, d in 0u32..1000) {
        let p = Priority::from_f64(n as f64 + f64::from(d) / 1000.0).unwrap();
        prop_assert_eq!(p.to_string().parse::<Priority>().unwrap(), p);
        let json = serde_json::to_string(&p).unwrap();
        prop_assert_eq!(serde_json::from_str::<Priority>(&json).unwrap(), p);
    }
}

#[test]
fn prefixes_that_are_refused_say_why() {
    for (text, why) in [
        ("10.0.0.1/8", "did you mean `10.0.0.0/8`"),
        ("10.0.0.0", "expected an address and a length"),
        ("10.0.0.0/33", "0 to 32"),
        ("2001:db8::/129", "0 to 128"),
        ("10.0.0.0/08", "plain number"),
        ("10.0.0.0/+8", "plain number"),
        ("::ffff:10.0.0.0/104", "write it as IPv4"),
    ] {
        let error = text.parse::<Prefix>().unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn sources_order_by_kind_then_number_then_name() {
    let mut ids: Vec<SourceId> = ["node/10", "agent/b", "node/9", "node/a", "agent/a", "node/09"]
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    ids.sort();
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["node/9", "node/10", "node/09", "node/a", "agent/a", "agent/b"]);
}

#[test]
fn next_hops_round_trip() {
    for text in [
        "10.0.0.1",
        "2001:db8::1",
        "https://10.0.0.1:443",
        "http://[2001:db8::1]:80",
        "https://home.example:8443?tls=alice.nsl.sh",
        "tcp://db:5432",
        "node:12",
        "peer:host-a",
        "tunnel:wg0",
        "cluster:eu-west",
        "discard",
    ] {
        let hop = text.parse::<NextHop>().unwrap();
        assert_eq!(hop.to_string(), text);
        let json = serde_json::to_string(&hop).unwrap();
        assert_eq!(serde_json::from_str::<NextHop>(&json).unwrap(), hop);
    }
}

#[test]
fn a_suffix_is_strict() {
    let name = |t: &str| t.parse::<ServiceName>().unwrap();
    assert!(name("app.alice.nsl.sh").is_under("nsl.sh"));
    assert!(name("nsl.sh").is_under("nsl.sh"));
    assert!(!name("evilnsl.sh").is_under("nsl.sh"));
    assert_eq!(name("ALICE.nsl.sh"), name("alice.NSL.SH"));
}

#[test]
fn attributes_show_only_what_was_said() {
    let attributes = Attributes::via("10.0.0.1".parse().unwrap());
    assert_eq!(serde_json::to_string(&attributes).unwrap(), r#"{"next_hop":"10.0.0.1"}"#);
    let back: Attributes = serde_json::from_str(r#"{"next_hop":"10.0.0.1"}"#).unwrap();
    assert_eq!(back, attributes);
    let unknown = serde_json::from_str::<Attributes>(r#"{"next_hop":"10.0.0.1","metrik":1}"#);
    assert!(unknown.unwrap_err().to_string().contains("metrik"));
}

use super::*;

fn via(site: u16, network: &str) -> Via {
    Via::new(SiteId(site), network.parse().unwrap()).unwrap()
}

#[test]
fn the_worked_examples_hold_both_ways() {
    let cases = [
        (7, "10.1.1.0/24", "fd7a:115c:a1e0:b1a:0:7:a01:100/120"),
        (0xbb, "10.2.0.0/16", "fd7a:115c:a1e0:b1a:0:bb:a02:0/112"),
        (0, "192.168.178.0/24", "fd7a:115c:a1e0:b1a::c0a8:b200/120"),
        (65535, "0.0.0.0/0", "fd7a:115c:a1e0:b1a:0:ffff::/96"),
        (1, "10.0.0.1/32", "fd7a:115c:a1e0:b1a:0:1:a00:1/128"),
    ];
    for (site, network, prefix) in cases {
        let there = via(site, network);
        assert_eq!(there.to_string(), prefix);
        assert_eq!(prefix.parse::<Via>().unwrap(), there);
        assert_eq!((there.site(), there.network().to_string().as_str()), (SiteId(site), network));
    }
    let other_form: Prefix = "fd7a:115c:a1e0:b1a:0:bb:10.2.0.0/112".parse().unwrap();
    assert_eq!(other_form, via(0xbb, "10.2.0.0/16").prefix());
}

#[test]
fn names_resolve_and_have_one_form() {
    let v4 = Ipv4Addr::new(10, 1, 1, 16);
    assert_eq!(name(SiteId(7), v4), "10-1-1-16-via-7");
    assert_eq!(resolve("10-1-1-16-via-7").unwrap(), address(SiteId(7), v4));
    assert_eq!(address(SiteId(7), v4).to_string(), "fd7a:115c:a1e0:b1a:0:7:a01:110");
    let bad = [
        "10-1-1-16",
        "10-1-1-via-7",
        "10-1-1-016-via-7",
        "10-1-1-16-via-07",
        "10-1-1-16-via-0x7",
        "10-1-1-256-via-7",
        "10-1-1-16-via-65536",
        "10.1.1.16-via-7",
        "10-1-1-16-via-7-via-7",
    ];
    for bad in bad {
        assert!(resolve(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_not_of_the_plan_is_refused_with_what_is_expected() {
    let cases = [
        ("10.0.0.0/8", "it lies in"),
        ("fd7a:115c:a1e0:b1b::/96", "it lies in"),
        ("fd7a:115c:a1e0:b1a::/64", "96 to 128"),
        ("fd7a:115c:a1e0:b1a:1:7:a01:100/120", "0 to 65535"),
    ];
    for (prefix, expected) in cases {
        let error = prefix.parse::<Via>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(Via::new(SiteId(1), "fd00::/8".parse().unwrap()).is_err());
    for (text, site) in
        [("7", Some(7)), ("0xbb", Some(0xbb)), ("65535", Some(65535)), ("0", Some(0))]
    {
        assert_eq!(text.parse::<SiteId>().ok(), site.map(SiteId), "{text}");
    }
    for bad in ["", "65536", "-1", "+1", "0x", "0x10000", "bb"] {
        assert!(bad.parse::<SiteId>().is_err(), "{bad}");
    }
}

#[test]
fn one_site_for_different_places_warns_and_a_pair_for_one_place_does_not() {
    let of = |list: &[(u64, u16, &str)]| {
        let announced: Vec<_> =
            list.iter().map(|(node, site, n)| (NodeId(*node), via(*site, n).prefix())).collect();
        check(announced).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(of(&[(1, 7, "10.1.0.0/16"), (2, 7, "10.1.0.0/16"), (3, 8, "10.1.0.0/16")]).is_empty());
    assert!(of(&[(1, 7, "10.1.0.0/16"), (1, 7, "10.9.0.0/16"), (2, 7, "10.1.1.0/24")]).is_empty());
    assert_eq!(
        of(&[(1, 7, "10.1.0.0/16"), (2, 7, "10.2.0.0/16")]),
        ["site 7 is announced for different networks: node 1 has 10.1.0.0/16; \
          node 2 has 10.2.0.0/16; give each place a number of its own"]
    );
    let pair_and_stranger =
        of(&[(1, 7, "10.1.0.0/16"), (2, 7, "10.1.0.0/16"), (3, 7, "192.168.0.0/24")]);
    assert_eq!(pair_and_stranger.len(), 1, "{pair_and_stranger:?}");
    assert_eq!(of(&[(4, 0, "10.1.0.0/16")]).len(), 1);
    assert!(check([(NodeId(1), "10.0.0.0/8".parse().unwrap())]).is_empty());
}

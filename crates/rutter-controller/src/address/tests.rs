use super::*;

fn policy() -> AddressPolicy {
    AddressPolicy {
        allow: vec!["169.254.7.0/24".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        deny: vec!["10.9.0.0/16".parse().unwrap(), "203.0.113.9/32".parse().unwrap()],
    }
}

#[test]
fn what_a_route_may_lead_to() {
    use AddressRefused::{Denied, LinkLocal, Loopback, NotAHost};
    // Host; for a remote registrant; for a local one.
    let cases = [
        ("203.0.113.5", Ok(()), Ok(())),
        ("192.168.1.4", Ok(()), Ok(())),
        ("10.77.0.5", Ok(()), Ok(())),
        ("2001:db8::1", Ok(()), Ok(())),
        ("fd12::1", Ok(()), Ok(())),
        ("home.example", Ok(()), Ok(())),
        ("127.0.0.1", Err(Loopback), Ok(())),
        ("127.8.8.8", Err(Loopback), Ok(())),
        ("::1", Err(Loopback), Ok(())),
        ("::ffff:127.0.0.1", Err(Loopback), Ok(())),
        ("64:ff9b::7f00:1", Err(Loopback), Ok(())),
        ("2002:7f00:1::", Err(Loopback), Ok(())),
        ("::127.0.0.1", Err(Loopback), Ok(())),
        ("localhost", Err(Loopback), Ok(())),
        ("web.localhost", Err(Loopback), Ok(())),
        ("169.254.169.254", Err(LinkLocal), Err(LinkLocal)),
        ("::ffff:169.254.169.254", Err(LinkLocal), Err(LinkLocal)),
        ("fe80::1", Err(LinkLocal), Err(LinkLocal)),
        ("fd00:ec2::254", Err(LinkLocal), Err(LinkLocal)),
        ("0.0.0.0", Err(NotAHost), Err(NotAHost)),
        ("0.1.2.3", Err(NotAHost), Err(NotAHost)),
        ("224.0.0.1", Err(NotAHost), Err(NotAHost)),
        ("255.255.255.255", Err(NotAHost), Err(NotAHost)),
        ("::", Err(NotAHost), Err(NotAHost)),
        ("ff02::1", Err(NotAHost), Err(NotAHost)),
        // The lists: what is allowed in spite of the default, what is denied in spite of both.
        ("169.254.7.7", Ok(()), Ok(())),
        ("10.9.1.1", Err(Denied), Err(Denied)),
        ("::ffff:10.9.1.1", Err(Denied), Err(Denied)),
        ("203.0.113.9", Err(Denied), Err(Denied)),
    ];
    for (host, remote, local) in cases {
        let host: HostName = host.parse().unwrap();
        assert_eq!(policy().check(&host, Registrant::Remote), remote, "{host}");
        assert_eq!(policy().check(&host, Registrant::Local), local, "{host}");
    }
}

#[test]
fn a_registrant_is_local_by_its_address() {
    for (peer, expected) in [
        ("127.0.0.1", Registrant::Local),
        ("::1", Registrant::Local),
        ("::ffff:127.0.0.1", Registrant::Local),
        ("192.168.1.1", Registrant::Remote),
    ] {
        assert_eq!(Registrant::of(peer.parse().unwrap()), expected, "{peer}");
    }
}

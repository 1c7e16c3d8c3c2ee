use std::time::Duration;

use super::*;

fn identity(user: &str, name: Option<&str>) -> Identity {
    Identity {
        user: user.parse().unwrap(),
        name: name.map(|n| n.parse().unwrap()),
        server_domain: None,
        key: None,
        seed: None,
        created: Wall(1),
        updated: Wall(1),
        last_seen: None,
    }
}

#[test]
fn a_name_that_changed_hands_is_not_lost_by_the_one_who_freed_it() {
    let (a, b): (UserId, UserId) = ("a".parse().unwrap(), "b".parse().unwrap());
    let name: DomainName = "x".parse().unwrap();
    let directory = Directory::default();
    directory.put_identity(identity("a", Some("x")));
    // `b` took the name after `a` freed it, but is heard of first.
    directory.put_identity(identity("b", Some("x")));
    directory.put_identity(identity("a", Some("y")));
    assert_eq!(directory.holder(&name), Some(b.clone()));
    directory.remove(&a);
    assert_eq!(directory.holder(&name), Some(b.clone()));
    assert_eq!(directory.holder(&"y".parse().unwrap()), None);
    directory.remove(&b);
    assert_eq!(directory.holder(&name), None);
}

#[test]
fn an_ended_lease_is_not_shown_and_is_named_for_the_sweep() {
    let user: UserId = "a".parse().unwrap();
    let directory = Directory::default();
    directory.put_identity(identity("a", Some("x")));
    let now = Now::new(1000, 1000);
    for (source, seconds) in [("agent", 600), ("tunnel", 60)] {
        let ends = now.deadline(Duration::from_secs(seconds));
        let lease = Lease {
            incarnation: Incarnation(1),
            ends,
            claims: Vec::new(),
            number: RegistrationNumber::default(),
            away: false,
        };
        directory.put_lease(&user, source.parse().unwrap(), lease);
    }
    let known = directory.known(&user, now).unwrap();
    assert_eq!(known.leases.len(), 2);
    let later = now.plus(Duration::from_secs(60));
    let known = directory.known(&user, later).unwrap();
    assert_eq!(known.leases.iter().map(|(s, _)| s.as_str()).collect::<Vec<_>>(), ["agent"]);
    assert_eq!(directory.ended(later, 10), [(user.clone(), "tunnel".parse().unwrap())]);
    assert_eq!(directory.ended(later, 0), []);
    directory.remove_lease(&user, &"tunnel".parse().unwrap());
    assert_eq!(directory.ended(later, 10), []);
    assert_eq!(directory.counts(), (1, 1));
}

#[test]
fn named_users_come_in_pages() {
    let directory = Directory::default();
    for (user, name) in [("1", "c"), ("2", "a"), ("3", "b")] {
        directory.put_identity(identity(user, Some(name)));
    }
    directory.put_identity(identity("4", None));
    let names = |after: Option<&str>, limit| {
        let after = after.map(|n| n.parse().unwrap());
        let page = directory.named(after.as_ref(), limit);
        page.into_iter().filter_map(|i| i.name).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2), ["a", "b"]);
    assert_eq!(names(Some("b"), 2), ["c"]);
}

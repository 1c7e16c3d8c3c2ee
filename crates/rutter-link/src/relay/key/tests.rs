use rutter_route::{RouteKey, SourceId, SourceKind};

use super::{decode, encode};

fn key(kind: SourceKind, name: &str, path: &str) -> RouteKey {
    RouteKey { source: SourceId::new(kind, name).unwrap(), path: path.parse().unwrap() }
}

fn keys() -> Vec<RouteKey> {
    let names = [
        "2",
        "10",
        "10000000000",
        "18446744073709551615",
        "18446744073709551616",
        "010",
        "0",
        "a",
        "a b",
        "a  b",
        "a!b",
        "a !b",
        " a",
        "a ",
        "alice",
        "aliceb",
        "~",
        "ä",
        "a-b",
        "agent:1",
    ];
    let paths = ["", " ", "  ", "!", "http 127.0.0.1:80", "https 127.0.0.1:80", "x  y"];
    let mut all = Vec::new();
    for kind in SourceKind::ALL {
        for name in names {
            for path in paths {
                all.push(key(kind, name, path));
            }
        }
    }
    all
}

#[test]
fn path_ids_decode_to_what_they_were() {
    for key in keys() {
        let path = encode(&key).unwrap();
        assert_eq!(decode(&path).as_ref(), Some(&key), "{path}");
    }
    for foreign in ["", "b", "b1", "b1alice", "z1alice  x", "b2alice  x", "b0  x", "ä"] {
        assert_eq!(decode(&foreign.parse().unwrap()), None, "{foreign}");
    }
}

#[test]
fn path_ids_compare_as_what_they_stand_for() {
    let mut all = keys();
    all.sort();
    let texts: Vec<_> = all.iter().map(|k| encode(k).unwrap()).collect();
    for (pair, of) in texts.windows(2).zip(all.windows(2)) {
        assert!(pair[0] < pair[1], "{of:?}");
    }
}

#[test]
fn a_name_too_long_is_refused() {
    assert!(encode(&key(SourceKind::Agent, &"a".repeat(251), "")).is_ok());
    assert!(encode(&key(SourceKind::Agent, &"a".repeat(252), "")).is_err());
}

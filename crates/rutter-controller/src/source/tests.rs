use super::*;

#[test]
fn a_source_names_its_kind_and_two_pairs_never_make_one() {
    let cases = [
        ("agent", "alice", "agent/alice"),
        ("tunnel", "alice", "tunnel/alice"),
        ("backup", "alice", "provider/backup:alice"),
        ("odd:source/x", "alice", "provider/odd%3Asource/x:alice"),
        ("a", "b:c", "provider/a:b:c"),
        ("a:b", "c", "provider/a%3Ab:c"),
        ("a%3Ab", "c", "provider/a%253Ab:c"),
    ];
    for (name, user, expected) in cases {
        let name: SourceName = name.parse().unwrap();
        let source = source_of(&user.parse().unwrap(), &name).unwrap();
        assert_eq!(source.to_string(), expected);
    }
    let (longest, user) = (":".repeat(64), "u".repeat(256));
    let name: SourceName = longest.parse().unwrap();
    assert!(source_of(&user.parse().unwrap(), &name).is_ok(), "the bounds fit together");
}

#[test]
fn an_owner_is_one_user() {
    let cases = [
        ("alice", "alice"),
        ("user@example.com", "user@example.com"),
        ("é", "%C3%A9"),
        ("%C3%A9", "%25C3%25A9"),
    ];
    for (user, expected) in cases {
        assert_eq!(owner_of(&user.parse().unwrap()).unwrap().as_str(), expected);
    }
    assert!(owner_of(&"é".repeat(200).parse().unwrap()).is_ok());
}

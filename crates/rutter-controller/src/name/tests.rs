use super::*;

#[test]
fn what_is_a_name_and_what_is_not() {
    let long = "a".repeat(63);
    for (text, name) in [("alice", "alice"), (" alice ", "alice"), ("0", "0"), (&*long, &*long)] {
        assert_eq!(text.parse::<DomainName>().unwrap().as_str(), name);
    }
    let too_long = "a".repeat(64);
    let cases = [
        ("", NameError::Blank),
        (" \t", NameError::Blank),
        ("Alice", NameError::Character),
        ("app-alice", NameError::Character),
        ("a.b", NameError::Character),
        ("a b", NameError::Character),
        ("é", NameError::Character),
        ("٣", NameError::Character),
        (&*too_long, NameError::TooLong),
        ("root", NameError::Reserved),
        ("app", NameError::Reserved),
        (" www ", NameError::Reserved),
    ];
    for (text, why) in cases {
        assert_eq!(text.parse::<DomainName>(), Err(why), "{text:?}");
    }
}

#[test]
fn serde_can_not_make_a_reserved_name() {
    assert!(serde_json::from_str::<DomainName>("\"www\"").is_err());
    assert_eq!(serde_json::to_string(&"bob".parse::<DomainName>().unwrap()).unwrap(), "\"bob\"");
}

#[test]
fn a_name_under_a_domain() {
    let alice: DomainName = "alice".parse().unwrap();
    assert_eq!(alice.under(&"nsl.sh".parse().unwrap()).unwrap().as_str(), "alice.nsl.sh");
    let domain = ["d".repeat(62).as_str(); 4].join(".").parse().unwrap();
    assert!("a".repeat(63).parse::<DomainName>().unwrap().under(&domain).is_err());
}

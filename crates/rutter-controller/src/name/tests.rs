use super::*;

#[test]
fn what_is_a_name_and_what_is_not() {
    let long = "a".repeat(63);
    for (text, name) in [("alice", "alice"), (" alice ", "alice"), ("0", "0"), (&*long, &*long)] {
        assert_eq!(parse_name(text).unwrap().as_str(), name);
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
        assert_eq!(parse_name(text), Err(why), "{text:?}");
    }
}

#[test]
fn a_name_under_a_domain() {
    let alice = parse_name("alice").unwrap();
    assert_eq!(service_name(&alice, &"nsl.sh".parse().unwrap()).unwrap().as_str(), "alice.nsl.sh");
    let domain = ["d".repeat(62).as_str(); 4].join(".").parse().unwrap();
    assert!(service_name(&parse_name(&"a".repeat(63)).unwrap(), &domain).is_err());
}

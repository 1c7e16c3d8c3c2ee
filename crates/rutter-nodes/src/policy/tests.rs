use super::*;

fn read(text: &str) -> PolicyFile {
    PolicyFile::parse("policy.hujson", text).unwrap_or_else(|e| panic!("{e}"))
}

fn problems(text: &str) -> Vec<String> {
    let error = PolicyFile::parse("p", text).expect_err(text);
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn a_whole_file_with_comments_and_trailing_commas_is_read() {
    let policy = read(
        r#"
// Who is who.
{
  "groups": { "group:admin": ["ann@example.com", "bob@"], },
  "tagOwners": {
    "tag:router": ["group:admin"],
    "tag:web": ["carol@", "tag:router"], /* routers may give it */
  },
  "hosts": { "lan": "192.168.0.0/16", "printer": "192.168.1.9" },
  "autoApprovers": {
    "routes": { "10.0.0.0/8": ["group:admin", "tag:router"] },
    "exitNode": ["tag:router"],
  },
  "acls": [
    { "action": "accept", "src": ["group:admin"], "dst": ["lan:*", "printer:80,443", "[fd00::1]:22"] },
  ],
  "grants": [
    { "src": ["autogroup:member"], "dst": ["10.0.0.0/8"], "ip": ["tcp:443"], "via": ["tag:router"] },
  ],
}
"#,
    );
    let [ann, bob, carol]: [UserName; 3] =
        ["ann@example.com", "bob@", "carol@"].map(|u| u.parse().unwrap());
    let admins = BTreeSet::from([ann, bob.clone()]);
    assert_eq!(policy.groups.values().next(), Some(&admins));
    assert_eq!(policy.auto_approvers.routes[0].approvers.users, admins);
    let grants = policy.access.grants();
    assert_eq!(grants.len(), 2);
    assert_eq!((grants[0].name.as_str(), grants[1].name.as_str()), ("acls[0]", "grants[0]"));
    let targets: Vec<&Selector> = grants[0].dst.iter().map(|t| &t.selector).collect();
    let networks = ["192.168.0.0/16", "192.168.1.9/32", "fd00::1/128"];
    let networks = networks.map(|n| Selector::Network(n.parse().unwrap()));
    assert_eq!(targets, networks.iter().collect::<Vec<_>>());
    let ports: Vec<String> = grants[0].dst[1].ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["80", "443"]);
    let [router, web] = ["tag:router", "tag:web"].map(|t| t.parse::<Tag>().unwrap());
    assert_eq!(grants[1].via, BTreeSet::from([router.clone()]));
    assert!(policy.may_give(&Owner::User(carol), &web));
    assert!(!policy.may_give(&Owner::User(bob), &web), "an owner of the owner's tag isn't one");
    let tagged = Owner::Tags(vec![router.clone()].try_into().unwrap());
    assert!(policy.may_give(&tagged, &web) && !policy.may_give(&tagged, &router));
}

#[test]
fn a_file_that_says_nothing_of_access_is_open_and_an_empty_list_closes() {
    for open in ["", "// nothing\n", "{}", r#"{"groups": {}}"#] {
        assert_eq!(read(open).access, Access::Open, "{open}");
    }
    for closed in [r#"{"acls": []}"#, r#"{"grants": []}"#] {
        assert_eq!(read(closed).access, Access::Granted(Vec::new()), "{closed}");
    }
}

#[test]
fn what_is_not_known_is_refused_by_name_and_place_with_the_nearest() {
    let cases = [
        ("{\n  \"group\": {}\n}", "p:2:3: unknown key `group` (did you mean `groups`?)"),
        (
            r#"{"ssh": []}"#,
            "p:1:2: unknown key `ssh` (known here: groups, tagOwners, hosts, autoApprovers, acls, \
             grants)",
        ),
        (
            r#"{"autoApprovers": {"exitNodes": []}}"#,
            "p:1:20: unknown key `exitNodes` (did you mean `exitNode`?)",
        ),
        (
            r#"{"acls": [{"action": "accept", "proto": "tcp", "src": [], "dst": []}]}"#,
            "p:1:32: unknown key `proto` (known here: action, src, dst)",
        ),
        (
            r#"{"groups": {"group:admin": []}, "autoApprovers": {"exitNode": ["group:admins"]}}"#,
            "p:1:64: unknown group `group:admins` (did you mean `group:admin`?)",
        ),
        (
            r#"{"autoApprovers": {"exitNode": ["tag:x"]}}"#,
            "p:1:33: unknown tag `tag:x` (nothing is known here)",
        ),
        (
            r#"{"hosts": {"lan": "10.0.0.0/8"}, "grants": [{"src": ["*"], "dst": ["lam"], "ip": ["*"]}]}"#,
            "p:1:68: unknown host `lam` (did you mean `lan`?)",
        ),
        (
            r#"{"grants": [{"src": ["autogroup:members"], "dst": [], "ip": []}]}"#,
            "p:1:22: unknown autogroup `autogroup:members` (did you mean `autogroup:member`?)",
        ),
    ];
    for (text, problem) in cases {
        assert_eq!(problems(text), [problem], "{text}");
    }
}

#[test]
fn what_makes_no_sense_says_what_was_expected() {
    let cases = [
        (r#"{"groups": []}"#, "expected an object of groups, found a list"),
        (r#"{"groups": {"admin": []}}"#, "not a valid group"),
        (r#"{"groups": {"group:a": ["group:b"]}}"#, "users, not groups"),
        (r#"{"groups": {"group:a": ["bob"]}}"#, "a user has an `@`"),
        (r#"{"groups": {"group:a": [1]}}"#, "expected a text, found a number"),
        (r#"{"groups": {"group:a": [], "group:a": []}}"#, "stands twice"),
        (r#"{"tagOwners": {"router": []}}"#, "not a valid tag"),
        (r#"{"hosts": {"a b": "10.0.0.1"}}"#, "a host's name"),
        (r#"{"hosts": {"a": "10.0.0.1/8"}}"#, "did you mean `10.0.0.0/8`?"),
        (r#"{"autoApprovers": {"routes": {"10.0.0.0": []}}}"#, "not a valid prefix"),
        (r#"{"autoApprovers": {"exitNode": ["alice"]}}"#, "is nobody who approves"),
        (r#"{"autoApprovers": {"exitNode": ["*"]}}"#, "is nobody who approves"),
        (r#"{"acls": [{"action": "deny", "src": [], "dst": []}]}"#, "`deny` is no action"),
        (r#"{"acls": [{"action": "accept", "src": []}]}"#, "the key `dst` is missing"),
        (r#"{"acls": [{"action": "accept", "src": [], "dst": ["tag:x"]}]}"#, "has no ports"),
        (r#"{"acls": [{"action": "accept", "src": [], "dst": ["10.0.0.1:x"]}]}"#, "has no ports"),
        (r#"{"grants": [{"src": [], "dst": []}]}"#, "the key `ip` is missing"),
        (r#"{"grants": [{"src": [], "dst": [], "ip": ["http"]}]}"#, "not a valid set of ports"),
        (
            r#"{"grants": [{"src": ["autogroup:internet"], "dst": [], "ip": []}]}"#,
            "is a destination",
        ),
        (r#"{"grants": [{"src": [], "dst": [], "ip": [], "via": ["bob@"]}]}"#, "not a valid tag"),
        ("{'groups': {}}", "single-quoted"),
        ("{groups: {}}", "expected string for object property"),
        (r#"{"groups": {} "hosts": {}}"#, "expected comma"),
        (r#"{"groups": {"#, "unterminated object"),
        ("[]", "expected an object, found a list"),
    ];
    for (text, expected) in cases {
        let said = problems(text);
        assert!(said.len() == 1 && said[0].contains(expected), "{text}: {said:?}");
        assert!(said[0].starts_with("p:1:"), "{text}: {said:?}");
    }
}

#[test]
fn one_mistake_hides_no_other_and_they_stand_in_the_order_of_the_text() {
    let said = problems(
        "{\n\"acls\": [{\"action\": \"drop\", \"src\": [\"tag:a\"], \"dst\": [\"b:1\"]}],\n\"x\": 1,\n}",
    );
    let places: Vec<&str> = said.iter().map(|s| s.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["p:2:21:", "p:2:37:", "p:2:55:", "p:3:1:"], "{said:?}");
}

#[test]
fn a_view_is_named_by_its_tags_and_there_are_only_so_many() {
    let grant =
        |tags: &str| format!(r#"{{"src": ["*"], "dst": ["*"], "ip": ["*"], "via": [{tags}]}}"#);
    let file = |tags: &[String], grants: &[String]| {
        let tags: Vec<String> = tags.iter().map(|t| format!(r#""{t}": []"#)).collect();
        let (tags, grants) = (tags.join(","), grants.join(","));
        format!(r#"{{"tagOwners": {{{tags}}}, "grants": [{grants}]}}"#)
    };
    let tags = ["tag:b", "tag:a"].map(str::to_owned);
    let both = [grant(r#""tag:a", "tag:b""#), grant(r#""tag:b", "tag:a""#)];
    let views = read(&file(&tags, &both)).access.views();
    let names: Vec<&str> = views.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["via:tag:a/tag:b"]);

    let long = [format!("tag:{}", "x".repeat(63))];
    let views = read(&file(&long, &[grant(&format!("\"{}\"", long[0]))])).access.views();
    assert!(views[0].name.as_str().starts_with("via:tags:"));

    let many: Vec<String> = (0..=MAX_VIA).map(|n| format!("tag:t{n}")).collect();
    let grants: Vec<String> = many.iter().map(|t| grant(&format!("\"{t}\""))).collect();
    assert!(problems(&file(&many, &grants))[0].contains("at most 32"));
}

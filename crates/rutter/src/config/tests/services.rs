//! Who is let into a gateway, which hosts lead where, and where routes come from.

use super::{good, told};
use crate::config::diff::diff;
use crate::config::raw::Hosts;
use crate::config::resolved::ProxmoxLogin;

const GATEWAY: &str = "listeners: {gateway: {http: '127.0.0.1:0'}}\ncontroller:\n";

#[test]
fn mistakes_are_told_at_their_places() {
    for (text, expected) in [
        ("gateway: {hosts: some}\n", "unknown word `some`"),
        ("gateway: {hosts: ['a b']}\n", "rutter.yaml:3:"),
        ("gateway: {short_links: true}\n", "expected a host name or `off`"),
        (
            "gateway: {acl: {default: deny, allow_local: false}}\n",
            "nobody could connect: write something in `allow`",
        ),
        ("gateway: {acl: {default: perhaps}}\n", "unknown word `perhaps`"),
        (
            "gateway: {proxy_protocol: {mode: required}}\n",
            "expected networks in `trusted`: headers are believed from nobody else",
        ),
        (
            "gateway: {inbound_mtls_profiles: {staff: {}}}\n",
            "a profile without a CA lets nobody in",
        ),
        (
            "gateway: {inbound_mtls_profile: staff}\n",
            "there is no profile `staff` in `inbound_mtls_profiles`",
        ),
        ("gateway: {streams: {udp_idle_timeout: 0s}}\n", "expected a duration of more than 0"),
        (
            "gateway:\nproviders: {files: [a/x.yml, b/x.yml]}\n",
            "another provider is called `x.yml` too",
        ),
        (
            "gateway:\nproviders: {docker: {far: {url: 'ssh://far'}}}\n",
            "`ssh://far` is not a URL of unix, tcp, http, https or tls",
        ),
        ("gateway:\nproviders: {docker: {far: {}}}\n", "the key `url` is missing"),
        (
            "gateway:\nproviders: {proxmox: [{url: 'https://a:1', token_id: a}]}\n",
            "expected `secret` or `secret_file`, one of the two",
        ),
        (
            "gateway:\nproviders: {proxmox: [{url: 'http://a:1'}]}\n",
            "expected `url: https://HOST:8006`",
        ),
        ("gateway:\nproviders: {monitors: {interval: 10ms}}\n", "expected 1s or more"),
    ] {
        let told = told(&format!("{GATEWAY}{text}"));
        assert!(told.contains(expected), "{text}\nsays: {told}\nexpected: {expected}");
    }
    let apart = "gateway: {mesh_router: {backend: 'http://a:1'}}\nproviders: {files: [a.yml]}\n\
                 listeners: {gateway: {http: '127.0.0.1:0'}}\n";
    assert!(told(apart).contains("there is no controller whose routes they could be"));
}

#[test]
fn hosts_are_a_word_or_a_list() {
    let hosts =
        |text: &str| good(&format!("{GATEWAY}gateway: {{hosts: {text}}}\n")).gateway.unwrap().hosts;
    assert_eq!(hosts("exact"), Hosts::Exact);
    assert_eq!(hosts("any_domain"), Hosts::AnyDomain);
    assert_eq!(
        hosts("[a.example, b.example]"),
        Hosts::Domains(vec!["a.example".parse().unwrap(), "b.example".parse().unwrap()])
    );
}

#[test]
fn secrets_of_clusters_are_read_and_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "canary-of-a-file\n").unwrap();
    let text = format!(
        "{GATEWAY}gateway:\nproviders:\n  proxmox:\n    - {{url: 'https://a:1', token_id: t, secret: canary}}\n    \
         - {{url: 'https://b:1', user: u, password_file: '{}'}}\n",
        file.path().display()
    );
    let config = good(&text);
    let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
    let ProxmoxLogin::Password { password, realm, .. } = &config.providers.proxmox[1].login else {
        panic!("{:?}", config.providers.proxmox)
    };
    assert_eq!((password.reveal(), realm.as_str()), ("canary-of-a-file", "pam"));
}

#[test]
fn providers_and_the_acl_change_while_the_program_runs() {
    let of = |more: &str| good(&format!("{GATEWAY}{more}"));
    let from = of("gateway:\n");
    let to = of(
        "gateway: {acl: {deny: [10.0.0.0/8]}, hosts: any_domain}\nproviders: {files: [a.yml]}\n",
    );
    let told: Vec<_> = diff(&from, &to).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "gateway.acl.deny: [] -> [\"10.0.0.0/8\"]",
            "gateway.hosts: exact -> any_domain  (needs a restart)",
            "providers.files: [] -> [\"a.yml\"]",
        ]
    );
}

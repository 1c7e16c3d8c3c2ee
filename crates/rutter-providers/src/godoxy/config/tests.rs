use super::*;
use crate::RemarkKind;

const NOTHING: Environment<'_> = &|_| None;

fn read(text: &str) -> SetupReading {
    read_config("config.yml", text, NOTHING, &[]).unwrap()
}

/// The set-up of a text without a mistake.
fn setup(text: &str) -> Setup {
    let reading = read(text);
    assert_eq!(reading.problems, [], "{text}");
    reading.setup
}

fn shown(problem: &Problem) -> String {
    let line = problem.spot.map(|spot| format!("{} ", spot.line)).unwrap_or_default();
    format!("{line}{}: {}", problem.path.join("."), problem.message)
}

fn problems(text: &str) -> Vec<String> {
    read(text).problems.iter().map(shown).collect()
}

fn remarks(text: &str) -> Vec<(RemarkKind, String)> {
    read(text).remarks.iter().map(|r| (r.kind, r.problem.path.join("."))).collect()
}

/// Every key that the gateway does something about.
const FULL: &str = "
acl:
  default: deny
  allow_local: false
  allow: ['ip:192.0.2.1', 'cidr:10.0.0.0/8']
  deny: ['cidr:2001:db8::/32']
autocert:
  provider: local
  cert_path: a.crt
  key_path: a.key
  extra: [{cert_path: b.crt, key_path: b.key}]
entrypoint:
  proxy_protocol: {mode: required, trusted_proxies: [127.0.0.1, 10.0.0.0/8]}
  access_log: {path: logs/access.log, format: json}
  inbound_mtls_profile: staff
inbound_mtls_profiles:
  staff: {use_system_cas: true, ca_files: [ca.pem]}
defaults:
  healthcheck: {interval: 30s, retries: 2}
providers:
  include: [a.yml, b.yml]
  docker:
    local: unix:///run/docker.sock
    other!: {scheme: tls, host: 192.0.2.9, port: 2376, tls: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem}}
  proxmox:
    - {url: 'https://pve.lan:8006', token_id: 'root@pam!r', secret: hush, no_tls_verify: true}
    - {url: 'https://pve2.lan:8006', username: root, password: hush}
match_domains: [.example.com, lan.example.org]
timeout_shutdown: 7
";

#[test]
fn every_key_that_something_is_done_about_is_taken() {
    let setup = setup(FULL);
    let acl = setup.acl.unwrap();
    assert!(!acl.allows_by_default && !acl.allows_local);
    let shown = |list: &[Prefix]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&acl.allow), ["192.0.2.1/32", "10.0.0.0/8"]);
    assert_eq!(shown(&acl.deny), ["2001:db8::/32"]);
    let pair = |chain: &str, key: &str| CertificatePair { chain: chain.into(), key: key.into() };
    let files = vec![pair("a.crt", "a.key"), pair("b.crt", "b.key")];
    assert_eq!(setup.autocert, Some(Autocert::Files(files)));
    let proxies = setup.proxy_protocol.unwrap();
    assert!(proxies.is_required);
    assert_eq!(shown(&proxies.trusted), ["127.0.0.1/32", "10.0.0.0/8"]);
    let log = AccessLog { file: Some("logs/access.log".into()), is_json: true };
    assert_eq!(setup.access_log, Some(log));
    assert_eq!(setup.inbound_mtls_profile.as_deref(), Some("staff"));
    let staff = MtlsProfile { uses_system_roots: true, ca_files: vec!["ca.pem".into()] };
    assert_eq!(setup.inbound_mtls_profiles["staff"], staff);
    assert_eq!((setup.health.interval.as_secs(), setup.health.failures()), (30, 2));
    assert_eq!(setup.include, ["a.yml", "b.yml"]);
    assert_eq!(setup.docker["local"].url, "unix:///run/docker.sock");
    let other = &setup.docker["other"];
    assert_eq!((other.url.as_str(), other.is_explicit_only), ("tls://192.0.2.9:2376", true));
    assert_eq!(other.tls.as_ref().unwrap().key_file.as_deref(), Some("k.pem"));
    let users = setup.proxmox.iter().map(|at| match &at.login {
        ProxmoxLogin::Token { id, .. } => id.as_str(),
        ProxmoxLogin::Password { user, .. } => user,
    });
    assert_eq!(users.collect::<Vec<_>>(), ["root@pam!r", "root"]);
    assert!(setup.proxmox[0].no_tls_verify);
    let domains: Vec<_> = setup.match_domains.iter().map(|domain| domain.as_str()).collect();
    assert_eq!(domains, ["example.com", "lan.example.org"]);
    assert_eq!(setup.shutdown, Duration::from_secs(7));
}

#[test]
fn nothing_written_is_the_default() {
    for text in
        ["", "{}", "acl:\nautocert:\nentrypoint:\nproviders:\nwebui:\n", "providers: {include: []}"]
    {
        let reading = read(text);
        assert_eq!((reading.problems, reading.remarks), (vec![], vec![]), "{text}");
        assert_eq!(reading.setup, Setup::default(), "{text}");
    }
}

#[test]
fn what_protects_and_is_not_there_refuses_by_name() {
    for (text, path) in [
        (
            "entrypoint: {middlewares: [{use: cidr_whitelist, allow: [10.0.0.0/8]}]}",
            "entrypoint.middlewares",
        ),
        (
            "entrypoint: {rules: {not_found: [{name: x, do: error 404 no}]}}",
            "entrypoint.rules.not_found",
        ),
        ("acl: {deny: ['ip:192.0.2.1', 'country:XX']}", "acl.deny.1"),
        ("acl: {allow: ['tz:Europe/Berlin']}", "acl.allow.0"),
        ("acl: {allow: ['timezone:Europe/Berlin']}", "acl.allow.0"),
        ("webui: {middlewares: {oidc: {}}}", "webui.middlewares"),
        ("webui: {rules: 'default { pass }'}", "webui.rules"),
        ("webui: {inbound_mtls_profile: x}", "webui.inbound_mtls_profile"),
        ("providers: {agents: ['10.0.0.1:8890']}", "providers.agents"),
        ("providers: {docker: {far: 'ssh://root@far'}}", "providers.docker.far"),
        (
            "autocert: {provider: custom, ca_dir_url: 'https://ca', domains: [a.b], eab_kid: k}",
            "autocert.eab_kid",
        ),
    ] {
        let found = read(text).problems;
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].path.join("."), path, "{text}");
        assert!(found[0].spot.is_some(), "{text}");
        let help = found[0].help.as_deref().unwrap_or_default();
        assert!(help.ends_with(&format!("--without {path}`")), "{text}: {help}");
        let without = [path.to_owned()];
        let reading = read_config("config.yml", text, NOTHING, &without).unwrap();
        assert_eq!(reading.problems, [], "{text}");
    }
}

#[test]
fn mistakes_are_told_at_their_places_with_the_nearest_name() {
    let text = "entrypoint:\n  midlewares: []\nacl:\n  default: maybe\n  allow: [10.0.0.0/8]\n";
    assert_eq!(
        problems(text),
        [
            "2 entrypoint.midlewares: unknown field `midlewares`",
            "4 acl.default: expected allow or deny, found `maybe`",
            "5 acl.allow.0: expected `ip:`, `cidr:`, `country:` or `tz:` and a value, found `10.0.0.0/8`",
        ]
    );
    for (text, want) in [
        (
            "entrypoint: {proxy_protocol: {mode: required}}",
            "`trusted_proxies` needs at least one: nobody would be believed",
        ),
        (
            "entrypoint: {proxy_protocol: {mode: opportunistic, trusted_proxies: [127.0.0.1]}}",
            "expected disabled, mixed or required, found `opportunistic`",
        ),
        (
            "entrypoint: {inbound_mtls_profile: staff}",
            "there is no profile `staff` in `inbound_mtls_profiles`",
        ),
        (
            "inbound_mtls_profiles: {staff: {}}",
            "expected `use_system_cas: true` or `ca_files`: without a CA nobody gets in",
        ),
        (
            "acl: {default: deny, allow_local: false}",
            "nobody may connect: `default: deny` needs something in `allow`",
        ),
        ("autocert: {provider: custom, domains: [a.b]}", "`provider: custom` needs `ca_dir_url`"),
        (
            "autocert: {provider: custom, ca_dir_url: 'https://ca', domains: ['*.a.b', c.d]}",
            "`*.a.b` can only be proven by DNS, which isn't there yet: name each host",
        ),
        (
            "providers: {proxmox: [{url: 'https://pve', token_id: x}]}",
            "expected `token_id` and `secret`, or `username` and `password`",
        ),
        ("match_domains: ['a b']", "a b"),
    ] {
        let found = problems(text);
        assert!(found.len() == 1 && found[0].contains(want), "{text}: {found:?}");
    }
    let by_dns = problems("autocert: {provider: cloudflare, options: {auth_token: x}}");
    assert!(
        by_dns[0].contains("certificates by `cloudflare`, which proves names by DNS"),
        "{by_dns:?}"
    );
    let nothing = read_config("config.yml", "acl: {default: deny}", NOTHING, &["acl.deney".into()]);
    assert_eq!(nothing.unwrap().problems.len(), 1, "a key that leaves nothing out is a mistake");
    assert!(read_config("config.yml", "- a", NOTHING, &[]).is_err());
}

#[test]
fn several_entries_of_a_list_are_left_out_by_their_numbers() {
    let text = "acl: {default: deny, allow: ['country:DE', 'ip:192.0.2.1', 'tz:UTC']}";
    let without = ["acl.allow.0".to_owned(), "acl.allow.2".to_owned()];
    let reading = read_config("config.yml", text, NOTHING, &without).unwrap();
    assert_eq!(reading.problems, []);
    let allow: Vec<_> = reading.setup.acl.unwrap().allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["192.0.2.1/32"]);
}

#[test]
fn what_does_nothing_or_something_else_is_named() {
    use RemarkKind::{Differs, Ignored};
    for (text, kind, path) in [
        ("homepage: {use_default_categories: true}", Ignored, "homepage"),
        ("webui: {aliases: [godoxy]}", Ignored, "webui.aliases"),
        (
            "providers: {notification: [{name: x, provider: ntfy, url: 'https://n'}]}",
            Ignored,
            "providers.notification",
        ),
        ("providers: {maxmind: {account_id: 1}}", Ignored, "providers.maxmind"),
        ("acl: {log: {stdout: true}}", Ignored, "acl.log"),
        ("acl: {notify: {to: [x]}}", Ignored, "acl.notify"),
        (
            "entrypoint: {access_log: {stdout: true, format: common}}",
            Differs,
            "entrypoint.access_log.format",
        ),
        (
            "entrypoint: {access_log: {stdout: true, keep: 30 days}}",
            Ignored,
            "entrypoint.access_log.keep",
        ),
        (
            "entrypoint: {access_log: {stdout: true, filters: {host: {values: [a]}}}}",
            Differs,
            "entrypoint.access_log.filters",
        ),
        ("autocert: {certificate_key_type: RSA2048}", Differs, "autocert.certificate_key_type"),
        ("defaults: {healthcheck: {retries: 2}}", Differs, "defaults.healthcheck.retries"),
    ] {
        assert_eq!(problems(text), [""; 0], "{text}");
        assert_eq!(remarks(text), [(kind, path.to_owned())], "{text}");
    }
}

#[test]
fn the_older_field_opens_nothing_beside_the_newer_one() {
    for text in [
        "entrypoint: {support_proxy_protocol: true, proxy_protocol: {mode: disabled}}",
        "entrypoint: {proxy_protocol: {mode: disabled}, support_proxy_protocol: true}",
    ] {
        assert_eq!(setup(text).proxy_protocol, None, "{text}");
    }
    let alone = setup("entrypoint: {support_proxy_protocol: true}").proxy_protocol.unwrap();
    assert_eq!((alone.is_required, alone.trusted.len()), (false, 2));
}

#[test]
fn variables_of_the_environment_are_taken_in_the_originals_order() {
    let environment = |name: &str| {
        let set = [
            ("HTTP_ADDR", ":81"),
            ("GOPROXY_HTTP_ADDR", ":82"),
            ("GODOXY_HTTPS_ADDR", ""),
            ("GODOXY_API_ADDR", "localhost:8889"),
            ("GODOXY_SNI_ROUTING_FOR_TCP_ROUTES", "false"),
            ("GODOXY_SHORTLINK_PREFIX", "Links"),
            ("GODOXY_API_PASSWORD", "hush"),
            ("DEBUG", "true"),
            ("DOCKER_HOST", "tcp://engine:2375"),
            ("H", "a.yml"),
        ];
        set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let text = "providers: {include: ['${H}'], docker: {local: $DOCKER_HOST}}";
    let reading = read_config("config.yml", text, &environment, &[]).unwrap();
    assert_eq!(reading.problems, []);
    let setup = &reading.setup;
    assert_eq!(setup.http, Some("[::]:82".parse().unwrap()));
    assert_eq!(setup.https, None, "nothing for an address is no listener");
    assert!(!setup.has_sni_streams && !setup.is_debug, "`DEBUG` alone is anybody's");
    assert_eq!(setup.short_links, "links");
    assert_eq!(setup.docker["local"].url, "tcp://engine:2375");
    assert_eq!(setup.include, ["a.yml"]);
    let named: Vec<_> = reading.variables.iter().map(|v| (v.name, v.remark.is_some())).collect();
    assert_eq!(
        named,
        [
            ("HTTP_ADDR", false),
            ("HTTPS_ADDR", false),
            ("API_ADDR", true),
            ("API_PASSWORD", true),
            ("SHORTLINK_PREFIX", false),
            ("SNI_ROUTING_FOR_TCP_ROUTES", false),
        ]
    );
    let wrong = |name: &str| (name == "GODOXY_HTTP_ADDR").then(|| "eighty".to_owned());
    let reading = read_config("config.yml", "", &wrong, &[]).unwrap();
    assert!(reading.variables[0].problem.is_some());
}

#[test]
fn a_file_of_variables_is_read_as_compose_reads_it() {
    let text =
        "# people\n\nA=1\nexport B='two # words'\nC=\"three\" # x\nD = four # x\nA=5\nnonsense\n";
    let read = DotEnv::parse(text);
    let get = |name: &str| read.get(name);
    assert_eq!(get("A").as_deref(), Some("5"));
    assert_eq!(get("B").as_deref(), Some("two # words"));
    assert_eq!(get("C").as_deref(), Some("three"));
    assert_eq!(get("D").as_deref(), Some("four"));
    assert_eq!((get("E"), read.problems.len(), read.problems[0].0), (None, 1, 8));
    assert_eq!(DotEnv::parse("GODOXY_HTTP_ADDR=:80").line_of("HTTP_ADDR"), Some(1));
}

#[test]
fn no_secret_is_shown() {
    let text = "providers: {proxmox: [{url: 'https://pve', token_id: 'a@pam!b', secret: hush}]}";
    assert!(!format!("{:?}", read(text)).contains("hush"));
}

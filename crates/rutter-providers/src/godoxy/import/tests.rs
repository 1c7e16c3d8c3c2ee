use super::*;
use crate::godoxy::config::read_config;
use crate::godoxy::{Settings, read_file};

fn shown(fields: &[Field]) -> Vec<String> {
    let line = |field: &Field| field.spot.map(|spot| spot.line).unwrap_or_default();
    let one = |field: &Field| format!("{} {} {}", line(field), field.outcome, field.path.join("."));
    fields.iter().map(one).collect()
}

fn of_routes(text: &str) -> Vec<Field> {
    let reading = read_file("a.yml", text, &|_| None, &Settings::default()).unwrap();
    route_fields(text, &reading)
}

#[test]
fn every_field_of_a_route_is_told_once_with_its_line() {
    let text = "\
x-base: &base
  host: 10.0.0.1
app:
  <<: *base
  port: 8080
  access_log:
    stdout: true
  healthcheck:
    retries: 3
shut:
  host: 10.0.0.2
  middlewares:
    oidc:
bare:
";
    let fields = of_routes(text);
    assert_eq!(
        shown(&fields),
        [
            "2 ok x-base.host",
            "5 ok app.port",
            "7 ignored app.access_log.stdout",
            "9 different app.healthcheck.retries",
            "4 ok app.host",
            "11 refused shut.host",
            "13 refused shut.middlewares.oidc",
            "14 ok bare",
        ]
    );
    assert!(fields[6].why[0].contains("there is no middleware `oidc` yet"), "{:?}", fields[6]);
    assert_eq!(fields[5].why, ["its route is refused"]);
}

#[test]
fn a_finding_of_an_entry_is_its_lists() {
    let text = "acl:\n  deny: ['ip:192.0.2.1', 'country:XX']\nentrypoint:\n  middlewares:\n    - use: oidc\n";
    let reading = read_config("config.yml", text, &|_| None, &[]).unwrap();
    let fields = config_fields(text, &reading);
    assert_eq!(shown(&fields), ["2 refused acl.deny", "5 refused entrypoint.middlewares.0.use"]);
}

#[test]
fn what_is_missing_is_told_too() {
    let text = "autocert:\n  provider: custom\n";
    let reading = read_config("config.yml", text, &|_| None, &[]).unwrap();
    let fields = config_fields(text, &reading);
    let refused = fields.iter().filter(|field| field.outcome == Outcome::Refused);
    assert_eq!(refused.count(), 1, "{fields:?}");
}

/// All fields that GoDoxy has, by the sections of its configuration and of a route.
const FIELDS: &str = "
    scheme host port bind root spa index no_tls_verify response_header_timeout max_conns_per_host
    disable_compression ssl_server_name ssl_trusted_certificate ssl_certificate ssl_certificate_key
    ssl_protocols inbound_mtls_profile rules rule_file healthcheck load_balance middlewares homepage
    access_log relay_proxy_protocol_header tls_termination agent proxmox idlewatcher
    disable use_get path interval timeout retries
    link mode weight sticky sticky_max_age options
    stdout format retention keep rotate_interval filters fields status_codes method headers cidr
    negative values query cookies
    show name icon category description url favorite widget_config
    idle_timeout wake_timeout stop_timeout stop_method stop_signal start_endpoint depends_on
    no_loading_page node vmid vmname services files
    acl default allow_local allow deny log log_allowed notify to include_allowed
    autocert provider email domains cert_path key_path resolvers certificate_key_type ca_dir_url
    ca_certs eab_kid eab_hmac acme_key_path extra
    entrypoint proxy_protocol trusted_proxies support_proxy_protocol not_found
    inbound_mtls_profiles use_system_cas ca_files defaults
    providers include docker agents notification maxmind tls ca_file cert_file key_file
    token_id secret username password realm
    webui display_name aliases match_domains use_default_categories timeout_shutdown
    alias path_prefix strip path_patterns";

#[test]
fn every_field_stands_in_an_example() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/godoxy");
    let mut keys = std::collections::BTreeSet::new();
    for set in std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| std::fs::read_dir(entry.unwrap().path().join("config")).ok())
    {
        for file in set {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let (plain, _) = environment::without_braces(&text).unwrap();
            gather(&Tree::parse(&plain).unwrap(), &mut keys);
        }
    }
    let stands = |field: &&str| keys.iter().any(|key| crate::godoxy::fields::is_alike(key, field));
    let missing: Vec<_> = FIELDS.split_whitespace().filter(|field| !stands(field)).collect();
    assert_eq!(missing, [""; 0]);
    let known = crate::godoxy::written::field_names();
    let missing: Vec<_> = known.iter().filter(|field| !stands(field)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn gather(tree: &Tree, to: &mut std::collections::BTreeSet<String>) {
    match tree {
        Tree::Map(entries) => entries.iter().for_each(|(key, tree)| {
            to.insert(key.clone());
            gather(tree, to);
        }),
        Tree::List(list) => list.iter().for_each(|tree| gather(tree, to)),
        _ => {}
    }
}

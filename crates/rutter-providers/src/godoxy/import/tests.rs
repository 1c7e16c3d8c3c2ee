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
            "2 ok app.host",
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
    assert_eq!(shown(&fields), ["2 refused acl.deny", "4 refused entrypoint.middlewares.0.use"]);
}

#[test]
fn what_is_missing_is_told_too() {
    let text = "autocert:\n  provider: custom\n";
    let reading = read_config("config.yml", text, &|_| None, &[]).unwrap();
    let fields = config_fields(text, &reading);
    let refused = fields.iter().filter(|field| field.outcome == Outcome::Refused);
    assert_eq!(refused.count(), 1, "{fields:?}");
}

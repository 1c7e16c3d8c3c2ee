use rutter_route::Standing;

use super::*;

fn specs(texts: &[&str]) -> Vec<ServiceSpec> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_direct_service_is_said_at_this_hosts_address_and_a_tunnels_at_its_own() {
    let specs = specs(&["web=https://127.0.0.1:3000", "10.0.0.7:80,source=tunnel"]);
    let at: HostName = "2001:db8::7".parse().unwrap();
    let of = |source| {
        let said = said(source, &specs, Some(&at), "alice.example.org").unwrap();
        let text = |s: &Said| format!("{} | {} | {}", s.destination, s.path, s.endpoint);
        said.iter().map(text).collect::<Vec<_>>()
    };
    let direct = "web.alice.example.org | https [2001:db8::7]:3000 | https://[2001:db8::7]:3000";
    assert_eq!(of(RouteSource::Agent), [direct]);
    let tunnel = "alice.example.org | http 10.0.0.7:80 | http://10.0.0.7:80";
    assert_eq!(of(RouteSource::Tunnel), [tunnel]);
}

#[test]
fn a_report_is_put_to_what_it_is_about() {
    let specs = specs(&["web=127.0.0.1:1", "api=127.0.0.1:2"]);
    let now = said(RouteSource::Agent, &specs, None, "alice.localhost").unwrap();
    let outcome = |of: &Said, is| Outcome {
        destination: Some(of.destination.to_any()),
        path: of.path.clone(),
        is,
    };
    let outcomes =
        [outcome(&now[1], Err("no\u{7}".to_owned())), outcome(&now[0], Ok(Standing::Eligible))];
    assert!(is_about(&outcomes, &now));
    let told = registered(&now, &outcomes, |why| why.replace('\u{7}', ""));
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    let web = "web.alice.localhost -> http://127.0.0.1:1";
    let api = "api.alice.localhost -> http://127.0.0.1:2 (refused: no)";
    assert_eq!(told, [web, api]);

    let at = "192.0.2.1".parse().unwrap();
    let moved = said(RouteSource::Agent, &specs, Some(&at), "alice.localhost").unwrap();
    assert!(!is_about(&outcomes, &moved), "it is about what was said before");
    assert!(!is_about(&[], &now), "a withdrawal's");
}

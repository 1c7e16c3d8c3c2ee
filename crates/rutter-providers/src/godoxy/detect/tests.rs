use super::*;
use crate::ContainerId;
use crate::godoxy::docker::Port;

fn container(image: &str, ports: &[(u16, Option<u16>, Protocol)]) -> Container {
    let port = |&(private, public, protocol): &_| Port { private, public, protocol };
    Container {
        id: ContainerId::new("0123456789"),
        name: "app".to_owned(),
        image: image.to_owned(),
        labels: Default::default(),
        ports: ports.iter().map(port).collect(),
        networks: Default::default(),
        is_on_host_network: false,
        mounts: Vec::new(),
    }
}

fn tcp(ports: &[u16]) -> Vec<(u16, Option<u16>, Protocol)> {
    ports.iter().map(|port| (*port, None, Protocol::Tcp)).collect()
}

/// What is detected of a file's route.
fn of_file(alias: &str, scheme: Option<Scheme>, ports: &str) -> (Scheme, String) {
    let ports = if ports.is_empty() { Ports::default() } else { ports.parse().unwrap() };
    let known = Known { alias, scheme, ports, container: None, by_engines_host: false };
    let (scheme, ports) = detect(known);
    (scheme, ports.to_string())
}

/// What is detected of a container's route that says nothing.
fn of(container: &Container, by_engines_host: bool) -> (Scheme, u16) {
    let known = Known {
        alias: "app",
        scheme: None,
        ports: Ports::default(),
        container: Some(container),
        by_engines_host,
    };
    let (scheme, ports) = detect(known);
    (scheme, ports.target)
}

#[test]
fn a_files_route_goes_by_alias_scheme_and_port() {
    use Scheme::*;
    let cases = [
        ("app", None, "", (Http, "80")),
        ("app", Some(Https), "", (Https, "443")),
        ("app", Some(H2c), "", (H2c, "80")),
        ("app", None, "443", (Https, "443")),
        ("app", None, "8443", (Https, "8443")),
        ("app", None, "4430", (Http, "4430")),
        ("app", None, "2222:22", (Tcp, "2222:22")),
        ("app", Some(Udp), "53:53", (Udp, "53:53")),
        ("app", Some(Http), "8443", (Http, "8443")),
        ("portainer", None, "", (Https, "9443")),
        ("portainer", None, "9000", (Https, "9000")),
        ("portainer", Some(Http), "", (Http, "9443")),
        ("crafty", None, "", (Https, "8080")),
        ("app", Some(FileServer), "", (FileServer, "0")),
    ];
    for (alias, scheme, ports, (want, port)) in cases {
        assert_eq!(of_file(alias, scheme, ports), (want, port.to_owned()), "{alias} {ports}");
    }
}

#[test]
fn every_image_of_the_table_has_its_scheme_and_port() {
    for (base, scheme, port) in IMAGES {
        let image = format!("ghcr.io/author/{base}:latest@sha256:0123");
        assert_eq!(of(&container(&image, &tcp(&[1])), false), (scheme, port), "{base}");
    }
    // What is written wins, each by itself.
    let grafana = container("grafana", &[]);
    let known = Known {
        alias: "app",
        scheme: Some(Scheme::Https),
        ports: Ports::default(),
        container: Some(&grafana),
        by_engines_host: false,
    };
    assert_eq!(detect(known), (Scheme::Https, Ports { listening: 0, target: 3000 }));
}

#[test]
fn a_preferred_port_comes_before_the_lowest() {
    let cases: [(&[u16], u16); 7] = [
        (&[9000, 80, 22], 80),
        (&[3000, 8080], 8080),
        (&[8000, 3000], 3000),
        (&[8443, 443], 443),
        (&[9000, 22], 22),
        (&[9000], 9000),
        (&[], 0),
    ];
    for (ports, want) in cases {
        assert_eq!(of(&container("any", &tcp(ports)), false).1, want, "{ports:?}");
    }
}

#[test]
fn a_published_port_of_udp_makes_the_scheme() {
    let published = container("any", &[(53, Some(5353), Protocol::Udp)]);
    assert_eq!(of(&published, false), (Scheme::Udp, 53));
    assert_eq!(of(&published, true), (Scheme::Udp, 5353));
    let unpublished = container("any", &[(53, None, Protocol::Udp)]);
    assert_eq!(of(&unpublished, false), (Scheme::Http, 53));
}

#[test]
fn by_the_engines_host_the_published_port_is_used_and_else_the_containers_own() {
    let published = container("any", &[(80, Some(8443), Protocol::Tcp)]);
    assert_eq!(of(&published, false), (Scheme::Http, 80));
    // The guess goes by the port that is used.
    assert_eq!(of(&published, true), (Scheme::Https, 8443));
    let written = |by_engines_host, target| {
        let known = Known {
            alias: "app",
            scheme: None,
            ports: Ports { listening: 0, target },
            container: Some(&published),
            by_engines_host,
        };
        detect(known).1.target
    };
    assert_eq!(written(false, 8443), 80);
    assert_eq!(written(true, 80), 8443);
    assert_eq!(written(true, 8443), 8443);
    assert_eq!(written(false, 1234), 1234);
    let mut on_host = container("any", &[(9000, Some(9000), Protocol::Tcp)]);
    on_host.ports.push(Port { private: 3000, public: Some(3000), protocol: Protocol::Tcp });
    on_host.is_on_host_network = true;
    assert_eq!(of(&on_host, true), (Scheme::Http, 3000));
}

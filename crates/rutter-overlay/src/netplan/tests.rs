use std::fs;

use super::*;

/// Files of a folder; each name may have a folder before it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn routes(plan: &Plan) -> Vec<String> {
    let line = |route: &StaticRoute| {
        let mut line = format!("{}", route.to);
        line.extend(route.via.map(|via| format!(" via {via}")));
        line.extend(route.metric.map(|metric| format!(" metric {metric}")));
        line.extend(route.on_link.then_some(" on-link".to_owned()));
        line + " dev " + &route.device
    };
    plan.routes.iter().map(line).collect()
}

fn addresses(plan: &Plan) -> Vec<String> {
    let line = |one: &DeviceAddress| format!("{} dev {}", one.address, one.device);
    plan.addresses.iter().map(line).collect()
}

/// As an installer leaves it.
const INSTALLER: &str = "\
# This is the network config written by 'subiquity'
network:
  version: 2
  renderer: networkd
  ethernets:
    enp3s0:
      dhcp4: false
      addresses:
      - 192.0.2.10/24
      - \"2001:db8::10/64\":
          lifetime: 0
          label: \"enp3s0:a\"
      nameservers:
        addresses: [192.0.2.53]
        search: []
      routes:
      - to: default
        via: 192.0.2.1
      - to: default
        via: \"2001:db8::1\"
        metric: 50
    enp4s0: {}
    enp5s0:
";

/// What an operator has put beside it.
const OPERATOR: &str = "\
network:
  version: 2
  ethernets:
    enp4s0:
      match: {macaddress: '52:54:00:12:34:56'}
      set-name: lan0
      addresses: [172.16.10.1/24]
      routes:
        - {to: 10.20.0.0/16, via: 172.16.10.254, metric: 100}
        - to: 10.30.7.9/16
          via: 203.0.113.9
          on-link: yes
        - to: 198.51.100.7
          via: 172.16.10.253
        - to: 10.40.0.0/16
          scope: link
        - to: 10.50.0.0/16
          type: blackhole
        - to: 10.60.0.0/16
          via: 172.16.10.254
          table: 100
        - to: 10.70.0.0/16
          via: 172.16.10.254
          table: 254
          type: unicast
  bonds:
    bond0:
      interfaces: [enp6s0, enp7s0]
      parameters: {mode: 802.3ad, lacp-rate: fast}
      addresses: [10.9.0.2/24]
      routes: [{to: 10.90.0.0/16, via: 10.9.0.1}]
  bridges:
    br-vm:
      interfaces: [bond0]
      routes:
      - {to: 'fd00:1::/48', via: 'fd00::1'}
  vlans:
    vlan15: {id: 15, link: bond0, addresses: [10.15.0.1/24], gateway4: 10.15.0.254}
  wifis:
    wlp2s0:
      access-points: {\"home\": {password: \"secret\"}}
      routes: [{to: 10.99.0.0/16, via: 192.168.1.1}]
  vrfs:
    vrf0: {table: 7, interfaces: [enp8s0], routes: [{to: default, via: 10.7.0.1}]}
";

#[test]
fn routes_and_addresses_of_all_kinds_of_devices_are_read() {
    let folder = folder(&[("50-cloud-init.yaml", INSTALLER), ("60-operator.yaml", OPERATOR)]);
    let plan = read(&[folder.path().to_owned()]).unwrap();
    let expected = [
        "0.0.0.0/0 via 10.15.0.254 dev vlan15",
        "0.0.0.0/0 via 192.0.2.1 dev enp3s0",
        "10.20.0.0/16 via 172.16.10.254 metric 100 dev enp4s0",
        "10.30.0.0/16 via 203.0.113.9 on-link dev enp4s0",
        "10.40.0.0/16 dev enp4s0",
        "10.70.0.0/16 via 172.16.10.254 dev enp4s0",
        "10.90.0.0/16 via 10.9.0.1 dev bond0",
        "10.99.0.0/16 via 192.168.1.1 dev wlp2s0",
        "198.51.100.7/32 via 172.16.10.253 dev enp4s0",
        "::/0 via 2001:db8::1 metric 50 dev enp3s0",
        "fd00:1::/48 via fd00::1 dev br-vm",
    ];
    assert_eq!(routes(&plan), expected);
    let expected = [
        "10.9.0.2/24 dev bond0",
        "10.15.0.1/24 dev vlan15",
        "172.16.10.1/24 dev enp4s0",
        "192.0.2.10/24 dev enp3s0",
        "2001:db8::10/64 dev enp3s0",
    ];
    assert_eq!(addresses(&plan), expected);
}

#[test]
fn files_are_joined_in_the_order_of_their_names_and_one_hides_its_like() {
    let with = |routes: &str, gateway: &str| {
        format!(
            "network:\n  ethernets:\n    eth0:\n      gateway4: {gateway}\n      routes:\n{routes}"
        )
    };
    let route = |to: &str| format!("      - {{to: {to}, via: 10.0.0.1}}\n");
    let folder = folder(&[
        ("etc/10-a.yaml", &with(&route("10.1.0.0/16"), "10.0.0.1")),
        ("etc/30-c.yaml", &with(&route("10.3.0.0/16"), "10.0.0.3")),
        ("etc/README", "not: [a plan"),
        ("etc/40-off.yaml.bak", "not: [a plan"),
        ("run/10-a.yaml", &with(&route("10.9.0.0/16"), "10.0.0.9")),
        ("run/20-b.yaml", &with(&(route("10.2.0.0/16") + &route("10.3.0.0/16")), "10.0.0.2")),
        ("named.plan", &with(&route("10.5.0.0/16"), "10.0.0.3")),
    ]);
    let path = |name: &str| folder.path().join(name);
    let paths = [path("etc"), path("run"), path("named.plan"), path("gone")];
    let plan = read(&paths).unwrap();
    // The last file's gateway won; the route that stands in two files is one.
    let expected = [
        "0.0.0.0/0 via 10.0.0.3 dev eth0",
        "10.2.0.0/16 via 10.0.0.1 dev eth0",
        "10.3.0.0/16 via 10.0.0.1 dev eth0",
        "10.5.0.0/16 via 10.0.0.1 dev eth0",
        "10.9.0.0/16 via 10.0.0.1 dev eth0",
    ];
    assert_eq!(routes(&plan), expected);
    let files = ["run/10-a.yaml", "run/20-b.yaml", "etc/30-c.yaml", "named.plan"].map(path);
    assert_eq!(plan.files, files);
    assert_eq!(plan.missing, [path("gone")]);
    assert_eq!(read(&[]).unwrap(), Plan::default());
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    let text = "\
network:
  ethernets:
    eth0:
      addresses: [10.0.0.1, 10.0.0.2/24]
      gateway6: 10.0.0.1
      routes:
      - via: 10.0.0.1
      - to: somewhere
      - {to: 10.0.0.0/8, via: next}
      - {to: 10.0.0.0/33}
      - {to: 10.0.0.0/8, via: 'fd00::1'}
      - {to: 10.0.0.0/8, metric: -1}
";
    let folder = folder(&[("a.yaml", text)]);
    let name = folder.path().display().to_string();
    let shown = |error: ConfigError| error.to_string().replace(&name, "/etc/netplan");
    let expected = "\
/etc/netplan/a.yaml:4:19: `10.0.0.1` is not a valid interface address: an address and a length, such as `10.100.0.1/24`
/etc/netplan/a.yaml:5:17: expected an address of IPv6, found `10.0.0.1`
/etc/netplan/a.yaml:7:9: the key `to` is missing
/etc/netplan/a.yaml:8:13: expected a destination such as `10.0.0.0/8`, `2001:db8::/32` or `default`, found `somewhere`
/etc/netplan/a.yaml:9:31: expected the address of a router, found `next`
/etc/netplan/a.yaml:10:14: `10.0.0.0/33` is not a valid prefix: an IPv4 length is 0 to 32
/etc/netplan/a.yaml:11:31: fd00::1 is of the other address family than 10.0.0.0/8
/etc/netplan/a.yaml:12:34: expected a metric of 0 to 4294967295, found -1";
    assert_eq!(shown(read(&[folder.path().to_owned()]).unwrap_err()), expected);

    let cases = [
        ("network:\n  ethernets: [eth0]\n", "/etc/netplan/a.yaml:2:14: "),
        (
            "network:\n  ethernets:\n    eth0: {routes: {to: default}}\n",
            "/etc/netplan/a.yaml:3:20: ",
        ),
        (
            "network: {ethernets: {eth0: {addresses: [{a: 1, b: 2}]}}}\n",
            "/etc/netplan/a.yaml:1:42: ",
        ),
        ("network: [\n", "/etc/netplan/a.yaml:"),
    ];
    for (text, place) in cases {
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        let error = shown(read(&[folder.path().to_owned()]).unwrap_err());
        assert!(error.starts_with(place), "{error}");
    }
    for text in ["", "network:\n", "network: {version: 2, ethernets: }\n"] {
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        assert_eq!(read(&[folder.path().to_owned()]).unwrap().routes, [], "{text}");
    }
}

#[test]
fn more_files_than_are_read_are_refused() {
    let folder = folder(&[]);
    for n in 0..=MAX_FILES {
        fs::write(folder.path().join(format!("{n}.yaml")), "").unwrap();
    }
    let error = read(&[folder.path().to_owned()]).unwrap_err().to_string();
    assert!(error.ends_with("there are 257 files of netplan's, at most 256"), "{error}");
}

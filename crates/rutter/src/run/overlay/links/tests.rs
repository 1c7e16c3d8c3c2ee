use super::*;

const FILE: &str = "
version: 2
node: {id: host-a}
overlays:
  - vni: 100
    name: vx100
    bridge: {name: br100, ipv4: 10.100.0.1/24}
    underlay_interface: eth0
    bum: {mode: head-end-replication}
peers:
  - {id: host-b, endpoint: {address: 192.0.2.2, via_interface: eth7}}
  - {id: host-c, endpoint: {address: 192.0.2.3}}
";

fn flooded(away: &[&str]) -> Vec<(String, Option<String>)> {
    let config = rutter_overlay::compat::nnetman::config::read("file", FILE).unwrap().config;
    let away = away.iter().map(|name| name.parse().unwrap()).collect();
    let links = spec(&config, &away).unwrap();
    let vxlan::Flooding::HeadEnd(peers) = &links.overlays[0].vxlan.flooding else {
        panic!("{links:?}")
    };
    let shown = |peer: &vxlan::Remote| {
        (peer.address.to_string(), peer.over.as_ref().map(|over| over.to_string()))
    };
    peers.iter().map(shown).collect()
}

#[test]
fn frames_for_everybody_go_to_the_peers_that_are_well_over_the_interface_that_is_said() {
    let b = ("192.0.2.2".to_owned(), Some("eth7".to_owned()));
    let c = ("192.0.2.3".to_owned(), None);
    assert_eq!(flooded(&[]), [b.clone(), c.clone()]);
    assert_eq!(flooded(&["host-c"]), [b]);
    assert_eq!(flooded(&["host-b"]), [c]);
}

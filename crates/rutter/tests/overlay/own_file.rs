//! The role by Rutter's own file, beside others in one process.

use crate::host::{Host, Says};
use crate::scene::Scene;
use crate::support::{Running, rutter, stderr, stdout};

const FILE: &str = "
controller:
listeners: {api: '127.0.0.1:0', link: '127.0.0.1:0'}
overlay:
  node: host-1
  insecure: true
  networks:
    - vni: 100
      vxlan: vx100
      bridge: br-prod
      addresses: [10.100.0.1/24]
      underlay: eth0
      export: {networks: [172.16.10.0/24]}
      import: {allow: [172.16.0.0/16]}
  bridges:
    - {name: br-prod, mtu: 1400}
    - {name: br-vm, stp: true}
  peers:
    - {name: host-2, address: 10.66.0.2}
";

#[test]
fn a_host_by_rutters_own_file_beside_a_controller_speaks_with_one_by_n_netmans() {
    let Some(scene) = Scene::new(2) else { return };
    let place = scene.place(1);
    let dir = tempfile::tempdir().unwrap();
    let path = |name| dir.path().join(name).to_string_lossy().into_owned();
    let (file, data) = (path("rutter.yaml"), path("data"));
    std::fs::write(&file, FILE).unwrap();
    place.inside.ip("link add br-vm type bridge");
    let start = |command: &mut std::process::Command| Running::start(command);
    let mut command = rutter(&["run", "--config", &file, "--data", &data]);
    let mut process = place.inside.enter(|| start(&mut command));
    process.says("the overlay runs");
    let other = Host::start(scene.place(2), Says::of(2, 2));
    other.learns(&["172.16.10.0/24"]);
    // Its own protocol number, and routes that share a next-hop object.
    crate::until("the route", || place.table(100), |lines| lines.len() == 1);
    let line = place.table(100).remove(0);
    let shown = line.starts_with("172.16.20.0/24 nhid ")
        && line.ends_with("via 10.100.0.2 dev br-prod proto 82 metric 100");
    assert!(shown, "{line}");
    let shows = |bridge, what| {
        let shown = place.inside.ip(&format!("-d link show {bridge}")).join(" ");
        assert!(shown.contains(what), "{shown}");
    };
    shows("br-prod", "mtu 1400");
    shows("br-vm", "stp_state 1");
    shows("br-vm", "BROADCAST,MULTICAST,UP");
    assert!(place.rules().iter().all(|rule| !rule.contains("iif")), "{:?}", place.rules());

    let ask = |arguments: &[&str]| {
        let mut command = rutter(&["--data", &data]);
        command.args(arguments);
        let output = place.inside.enter(|| command.output().unwrap());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(ask(&["overlay", "status"]).contains("host-1 runs"));
    // What is beside the role takes its file too.
    assert_eq!(ask(&["overlay", "diff", "--config", &file]), "nothing differs\n");
    assert!(ask(&["routes", "list", "--table", "overlay/100"]).contains("172.16.20.0/24"));
    // The controller is there as ever.
    ask(&["domains", "list"]);
    assert!(process.terminate().success());
    assert_eq!(place.table(100), Vec::<String>::new());
    assert_eq!(place.inside.ip("nexthop show"), Vec::<String>::new());
    // It said goodbye.
    other.learns(&[]);
}

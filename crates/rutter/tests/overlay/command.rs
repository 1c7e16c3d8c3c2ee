//! The command line beside a host that runs, and without one.

use crate::host::{Host, Idle, Says};
use crate::scene::Scene;
use crate::support::{ends, rutter, stderr, stdout};

#[test]
fn status_routes_and_explain_tell_of_the_host_that_runs() {
    let Some(scene) = Scene::new(2) else { return };
    let host = Host::start(scene.place(1), Says::of(1, 2));
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    host.learns(&["172.16.20.0/24"]);
    host.sees(2, "there");
    let status = host.text(&["overlay", "status"]);
    for word in ["host-1 runs", "br-prod", "vx100", "host-2", "10.66.0.2", "there"] {
        assert!(status.contains(word), "no `{word}` in:\n{status}");
    }
    let routes = host.json(&["overlay", "routes", "--peer", "host-2"]);
    assert_eq!(routes[0]["vni"], 100);
    assert_eq!(routes[0]["destination"], "172.16.20.0/24");
    assert_eq!(routes[0]["source"], "peer/host-2");
    assert_eq!(routes[0]["best"], true);
    let told = host.text(&["overlay", "explain", "172.16.20.0/24"]);
    for word in ["best: peer/host-2", "via 10.100.0.2", "kernel: told last as number"] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
    // A file that denies something that was received says what the other order would do.
    let file = host.file().with_file_name("other.yaml");
    let text = std::fs::read_to_string(host.file()).unwrap();
    let other = "accept_all: true, deny: [172.16.0.0/13]";
    let denies = text.replace("allow: [172.16.0.0/16, 'fd16::/16']", other);
    assert_ne!(text, denies);
    std::fs::write(&file, denies).unwrap();
    let checked = host.text(&["check", &file.to_string_lossy()]);
    assert!(
        checked.contains("overlay 100: 172.16.20.0/24: refused by `deny 172.16.0.0/13`"),
        "{checked}"
    );
    let unknown = host.command(&["overlay", "explain", "172.16.20.77"]);
    assert!(!unknown.status.success());
    assert!(stderr(&unknown).contains("172.16.20.77/32"), "{}", stderr(&unknown));
    let none = host.command(&["overlay", "routes", "--vni", "7"]);
    assert!(stderr(&none).contains("there is no overlay 7 on host-1"), "{}", stderr(&none));
}

#[test]
fn one_that_observes_says_what_it_would_do_and_does_nothing() {
    let Some(scene) = Scene::new(2) else { return };
    let says = Says { options: vec!["--observe".into()], ..Says::of(1, 2) };
    let mut host = Host::start(scene.place(1), says);
    let other = Host::start(scene.place(2), Says::of(2, 2));
    let line = host.process.says("would change");
    assert!(line.contains("172.16.20.0/24") && line.contains("10.100.0.2"), "{line}");
    assert_eq!(scene.place(1).table(100), Vec::<String>::new());
    assert_eq!(scene.place(1).rules().len(), 3);
    assert_eq!(other.learned(), Vec::<String>::new(), "it announces nothing");
    assert_eq!(host.status()["observes"], true);
}

#[test]
fn without_the_right_to_change_the_kernel_it_says_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("netman.yaml");
    std::fs::write(
        &file,
        "version: 2\nnode: {id: a}\noverlays: [{vni: 1, name: vx1, bridge: br1}]\n",
    )
    .unwrap();
    let file = file.to_string_lossy().into_owned();
    let data = dir.path().join("data").to_string_lossy().into_owned();
    let arguments = ["overlay", "--config", &file, "--data", &data];
    // As whoever runs this, without any capability.
    let mut command = std::process::Command::new("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]);
    command.arg(rutter(&[]).get_program()).args(arguments);
    let Ok(output) = command.output() else {
        println!("skipped: there is no setpriv here");
        return;
    };
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("needs CAP_NET_ADMIN"), "{}", stderr(&output));
}

#[test]
fn a_check_names_what_may_surprise() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("netman.yaml");
    std::fs::write(
        &file,
        "version: 2\nnode: {id: a}\noverlays:\n  - vni: 1\n    name: vx1\n    bridge: br1\n    \
         lerning: true\n    routing:\n      import:\n        accept_all: true\n        \
         deny: [10.9.0.0/16]\n",
    )
    .unwrap();
    let output = ends(&["check", &file.to_string_lossy()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = stdout(&output);
    for word in [
        "is good: overlay",
        "exchange on 0.0.0.0:9898",
        "unknown, line 7: overlays.0.lerning: unknown key `lerning` (did you mean `learning`?)",
        "left out, line 4: overlays.0.learning:",
        "it runs with false, and so does Rutter",
        "left out, line 9: overlays.0.routing.import.install.replace_existing:",
        "overlay 1: 10.9.0.0/16: refused by `deny 10.9.0.0/16` in the order that runs, taken by \
         `accept_all` in the documented one",
    ] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
    std::fs::write(&file, "version: 2\nnode: {id: a}\noverlays: []\n").unwrap();
    let output = ends(&["check", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("netman.yaml:3:1: version 2 needs at least one overlay"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn certificates_of_ones_own_prove_who_speaks() {
    use std::os::unix::fs::PermissionsExt;

    let Some(scene) = Scene::new(2) else { return };
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    let at = tls.to_string_lossy().into_owned();
    let cert = |more: &[&str]| {
        let mut all = vec!["overlay", "cert"];
        all.extend(more);
        all.extend(["--output-dir", &at]);
        ends(&all)
    };
    let made = cert(&["init-ca", "--days", "30"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let mode = |name: &str| tls.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca.key"), mode("ca.crt")), (0o600, 0o644));
    assert_eq!(tls.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let again = cert(&["init-ca"]);
    assert!(!again.status.success());
    assert!(stderr(&again).contains("ca.crt is there already"), "{}", stderr(&again));

    let (ca, ca_key) = (format!("{at}/ca.crt"), format!("{at}/ca.key"));
    for n in 1..=2 {
        let (host, ip) = (format!("host-{n}"), format!("10.66.0.{n}"));
        let made = cert(&[
            "gen-host",
            "--ca-cert",
            &ca,
            "--ca-key",
            &ca_key,
            "--host",
            &host,
            "--ip",
            &ip,
        ]);
        assert!(made.status.success(), "{}", stderr(&made));
        let told = stdout(&made);
        assert!(told.contains(&format!("{host}, localhost, 127.0.0.1, {ip}")), "{told}");
        assert_eq!(mode(&format!("{host}.key")), 0o600);
    }
    // Two hosts that prove to each other who they are; nothing is waived.
    let says = |n: usize| Says {
        more: format!(
            "security: {{control_plane: {{tls: {{enabled: true, cert_file: '{at}/host-{n}.crt', \
             key_file: '{at}/host-{n}.key', ca_file: '{ca}'}}}}}}\n"
        ),
        ..Says::of(n, 2)
    };
    let hosts = [1, 2].map(|n| Host::start(scene.place(n), says(n)));
    hosts[0].learns(&["172.16.20.0/24"]);
    hosts[1].learns(&["172.16.10.0/24"]);
}

#[test]
fn apply_makes_what_diff_shows_and_a_dry_run_nothing() {
    let Some(scene) = Scene::new(1) else { return };
    let place = scene.place(1);
    let idle = Idle::new(place, &Says::of(1, 2));
    let links = || place.inside.ip("-brief link show type vxlan").len();
    let differs = stdout(&idle.overlay(&["diff"]));
    for word in ["overlay 100", "rules", "would add IPv4 rule 100 iif br-prod lookup 100"] {
        assert!(differs.contains(word), "no `{word}` in:\n{differs}");
    }
    assert_eq!(stdout(&idle.overlay(&["apply", "--dry-run"])), differs);
    assert_eq!((links(), place.rules().len()), (0, 3));

    let done = idle.overlay(&["apply"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(links(), 1);
    assert!(place.rules().iter().any(|rule| rule.starts_with("100: from all iif br-prod")));
    assert_eq!(stdout(&idle.overlay(&["diff"])), "nothing differs\n");

    // Settings only where that is asked for.
    place.inside.set("ipv4/ip_forward", "0");
    assert_eq!(stdout(&idle.overlay(&["apply"])), "nothing differs\n");
    let done = stdout(&idle.overlay(&["apply", "--sysctl"]));
    assert!(done.contains("net.ipv4.ip_forward: 1"), "{done}");
    let forwards = place.inside.try_run("cat", "/proc/sys/net/ipv4/ip_forward").1;
    assert_eq!(forwards, ["1"]);
}

#[test]
fn the_doctor_finds_what_keeps_an_overlay_from_working() {
    let Some(scene) = Scene::new(2) else { return };
    let place = scene.place(1);
    place.inside.set("ipv4/ip_forward", "0");
    place.inside.ip("link add br-prod type veth peer name other");
    let says = Says { more: String::new(), ..Says::of(1, 2) };
    let sick = Idle::new(place, &says);
    let output = sick.overlay(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    for word in [
        "good     file: ",
        "good     VXLAN: this kernel has them",
        "good     exchange: 0.0.0.0:9898 is free",
        "FAILED   net.ipv4.ip_forward: 0",
        "sysctl -w net.ipv4.ip_forward=1",
        "FAILED   overlay 100: ",
        "FAILED   certificates: there are none",
        "WARNING  peer host-2: 10.66.0.2:9898: Connection refused",
    ] {
        assert!(told.contains(word), "no `{word}` in:\n{told}");
    }
    let found: serde_json::Value =
        serde_json::from_str(&stdout(&sick.overlay(&["doctor", "--output", "json"]))).unwrap();
    assert!(found.as_array().unwrap().iter().any(|check| check["state"] == "failed"));

    place.inside.ip("link del br-prod");
    place.inside.set("ipv4/ip_forward", "1");
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    let well = Idle::new(place, &Says::of(1, 2));
    let output = well.overlay(&["doctor"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("good     peer host-2: 10.66.0.2:9898 answers"));
    // A file that isn't good is what is wrong.
    let broken = Idle::new(place, &Says { import: "allow: [nonsense]".into(), ..Says::of(1, 2) });
    let output = broken.overlay(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("FAILED   file: "), "{}", stdout(&output));
}

#[test]
fn clean_removes_what_a_killed_host_left_and_nothing_else() {
    let Some(scene) = Scene::new(2) else { return };
    let place = scene.place(1);
    let mut host = Host::start(place, Says::of(1, 2));
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    host.learns(&["172.16.20.0/24"]);
    let file = host.file().to_string_lossy().into_owned();
    let refused = host.command(&["overlay", "clean", "--config", &file]);
    assert!(stderr(&refused).contains("a host runs with this data"), "{}", stderr(&refused));
    host.process.kill();
    place.inside.ip("route add 172.16.77.0/24 via 10.100.0.2 table 100 proto static");
    let told = host.text(&["overlay", "clean", "--config", &file]);
    assert_eq!(told, "table 100: 1 routes and 0 objects removed\n");
    let left = place.table(100);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("172.16.77.0/24 "), "{left:?}");
    assert_eq!(place.rules().len(), 3, "{:?}", place.rules());
}

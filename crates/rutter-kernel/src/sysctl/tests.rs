use super::*;

/// Settings of a folder, in which there is what is written.
fn settings(files: &[(&str, &str)]) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let root = folder.path().to_owned();
    (folder, Settings { root })
}

#[test]
fn errors_name_the_file_and_what_was_expected() {
    let (folder, settings) = settings(&[
        ("net/ipv4/ip_forward", "maybe\n"),
        ("net/ipv4/conf/all/rp_filter", "3\n"),
        ("net/ipv4/conf/eth0/rp_filter", ""),
    ]);
    let shown = |error: KernelError| {
        error.to_string().replace(&folder.path().display().to_string(), "/proc/sys")
    };
    let error = settings.forwarding(Family::V4).unwrap_err();
    let expected = "/proc/sys/net/ipv4/ip_forward: expected a number, found `maybe`";
    assert_eq!(shown(error), expected);
    let error = settings.reverse_path(&Scope::All).unwrap_err();
    let expected = "/proc/sys/net/ipv4/conf/all/rp_filter: expected 0, 1 or 2, found 3";
    assert_eq!(shown(error), expected);
    let error = settings.reverse_path(&Scope::Link("eth0".parse().unwrap())).unwrap_err();
    let expected = "/proc/sys/net/ipv4/conf/eth0/rp_filter: expected a number, found ``";
    assert_eq!(shown(error), expected);
    let error = settings.set_forwarding(Family::V6, true).unwrap_err();
    assert!(shown(error).starts_with("/proc/sys/net/ipv6/conf/all/forwarding: No such file"));
    assert_eq!(settings.nexthop_compat().unwrap(), None, "an older kernel");
}

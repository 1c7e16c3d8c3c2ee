//! What the kernel can do, what this process may, and how the kernel is set.

use rutter_kernel::sysctl::{ReversePath, Settings};
use rutter_kernel::{Family, KernelError, abilities};

use super::Check;
use crate::config::resolved::Overlay;
use crate::run::compare_overlay;

pub(super) fn check(overlay: &Overlay, to: &mut Vec<Check>) {
    match abilities() {
        Ok(can) if !can.may_change => to.push(
            Check::failed("rights", "this process may not change links and routes")
                .help("run it as root, or give it CAP_NET_ADMIN"),
        ),
        Ok(can) => {
            to.push(Check::good("rights", "links and routes may be changed"));
            for (of, is) in [("VXLAN", can.vxlan), ("bridges", can.bridge)] {
                to.push(match is {
                    Some(true) => Check::good(of, "this kernel has them"),
                    _ => Check::failed(of, "this kernel has none"),
                });
            }
            to.push(objects(overlay, can.objects == Some(true)));
            to.push(match can.nftables {
                Some(true) => Check::good("nftables", "what transit denies is dropped and counted"),
                _ => Check::warning("nftables", "this kernel has none")
                    .help("what transit denies is kept off by rules, and nothing counts it"),
            });
        }
        Err(error) => to.push(Check::failed("kernel", error.to_string())),
    }
    settings(overlay, to);
    links(overlay, to);
}

fn objects(overlay: &Overlay, has: bool) -> Check {
    let of = "next-hop objects";
    match (has, overlay.next_hop_objects) {
        (true, true) => Check::good(of, "many routes move in one message"),
        (true, false) => {
            Check::good(of, "this kernel has them; routes are plain, as is configured")
        }
        (false, true) => Check::warning(of, "this kernel has none: routes are plain"),
        (false, false) => Check::good(of, "this kernel has none, and none are asked for"),
    }
}

/// What stops packets though all routes are there.
fn settings(overlay: &Overlay, to: &mut Vec<Check>) {
    let kernel = Settings::default();
    let has_v6 = overlay.host.overlays.values().any(|of| {
        let addresses = of.bridge.addresses.iter().map(|address| address.address());
        let networks = of.export.networks.iter();
        addresses.into_iter().any(|address| address.is_ipv6())
            || networks.into_iter().any(|n| !n.is_v4())
    });
    for (family, of) in
        [(Family::V4, "net.ipv4.ip_forward"), (Family::V6, "net.ipv6.conf.all.forwarding")]
    {
        if family == Family::V6 && !has_v6 {
            continue;
        }
        to.push(match kernel.forwarding(family) {
            Ok(true) => Check::good(of, "packets of other machines are forwarded"),
            Ok(false) => Check::failed(of, "0: nothing from behind this host gets any further")
                .help(format!("sysctl -w {of}=1, or `rutter overlay apply --sysctl`")),
            Err(error) => unreadable(of, &error),
        });
    }
    for of in overlay.host.overlays.values() {
        let name = of.bridge.name.as_str();
        let setting = format!("net.ipv4.conf.{name}.rp_filter");
        let read = name.parse().ok().map(|name| kernel.effective_reverse_path(&name));
        match read {
            Some(Ok(ReversePath::Strict)) => to.push(
                Check::warning(
                    &setting,
                    "strict: what comes by another way than it would go back is dropped",
                )
                .help(format!("sysctl -w {setting}=2, or `rutter overlay apply --sysctl`")),
            ),
            Some(Ok(_)) => to.push(Check::good(&setting, "not strict")),
            // There is no such link yet.
            Some(Err(_)) | None => {}
        }
    }
    if overlay.next_hop_objects
        && let Ok(Some(true)) = kernel.nexthop_compat()
    {
        let of = "net.ipv4.nexthop_compat_mode";
        to.push(
            Check::warning(of, "1: a failover takes time in proportion to the routes")
                .help(format!("sysctl -w {of}=0, or `rutter overlay apply --sysctl`")),
        );
    }
}

/// Links that aren't as the file says, and can't be.
fn links(overlay: &Overlay, to: &mut Vec<Check>) {
    let differs = match compare_overlay(overlay) {
        Ok(differs) => differs,
        Err(error) => return to.push(Check::failed("links", format!("{error:#}"))),
    };
    for one in differs {
        if let Some(why) = one.error {
            to.push(Check::failed(&one.of, why));
        }
        if let Some(what) = one.remark {
            to.push(Check::warning(&one.of, what));
        }
    }
}

fn unreadable(of: &str, error: &KernelError) -> Check {
    Check::warning(of, format!("it can't be read: {error}"))
}

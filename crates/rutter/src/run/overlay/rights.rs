//! Whether this process may change the kernel's networking.

use anyhow::{Context, bail};

/// `CAP_NET_ADMIN` of `linux/capability.h`, as a bit of the set.
const NET_ADMIN: u64 = 1 << 12;

/// Fails unless it may.
///
/// # Errors
/// It may not, and what to do.
pub(super) fn check() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    if may_administer(&status) {
        return Ok(());
    }
    bail!(
        "the overlay changes links, routes and rules, which needs CAP_NET_ADMIN: run it as root, or \
         let systemd give it (`AmbientCapabilities=CAP_NET_ADMIN`), or look on without it \
         (`--observe`)"
    );
}

/// Whether the process of this `/proc/PID/status` may.
pub(super) fn may_administer(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.is_some_and(|set| set & NET_ADMIN != 0)
}

#[cfg(test)]
mod tests {
    use super::may_administer;

    #[test]
    fn the_right_is_one_bit_of_the_effective_set() {
        let with =
            |set: &str| format!("Name:\trutter\nCapPrm:\t000001ffffffffff\nCapEff:\t{set}\n");
        assert!(may_administer(&with("000001ffffffffff")));
        assert!(may_administer(&with("0000000000001000")));
        assert!(!may_administer(&with("0000000000000000")));
        assert!(!may_administer(&with("000001ffffffefff")));
        assert!(!may_administer(&with("nonsense")));
        assert!(!may_administer(""));
    }
}

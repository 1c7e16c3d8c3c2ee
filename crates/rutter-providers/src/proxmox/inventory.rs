//! What a cluster has.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use smol_str::SmolStr;

/// The most guests of a cluster that are taken. An inventory with more has failed: what was known
/// before stands.
pub const MAX_GUESTS: usize = 10_000;

/// What a cluster has at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Its nodes by their names.
    pub nodes: BTreeMap<SmolStr, Node>,
    /// Its guests by their numbers.
    pub guests: BTreeMap<u32, Guest>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Its address in the cluster.
    pub address: Option<IpAddr>,
}

/// A guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The name of the node that it is on.
    pub node: SmolStr,
    /// Its name.
    pub name: SmolStr,
    /// What it is.
    pub kind: GuestKind,
    /// What it does, in Proxmox's word: `running`, `stopped`.
    pub status: SmolStr,
    /// Its addresses, those of its configuration first; only a container's are known.
    pub addresses: Vec<IpAddr>,
}

/// What a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuestKind {
    /// A container.
    Lxc,
    /// A virtual machine.
    Qemu,
}

impl Guest {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.status == "running"
    }
}

impl fmt::Display for GuestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lxc => "container",
            Self::Qemu => "virtual machine",
        })
    }
}

/// Whether an address may be where somebody is found: not this host, nobody's, nor one that every
/// link has.
pub(super) fn is_somewhere(address: &IpAddr) -> bool {
    let is_of_a_link = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_of_a_link)
}

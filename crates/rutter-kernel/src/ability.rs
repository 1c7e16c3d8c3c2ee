//! What this kernel can do, found by asking it: a module that is built in, or not loaded yet, is no
//! file that could be looked for.

use netlink_packet_route::link::InfoKind;
use rustix::io::Errno;

use crate::error::KernelError;
use crate::nft::has_nftables;
use crate::socket::Socket;
use crate::wire::{self, Batch};

/// What the kernel can do in the network namespace of the calling thread, and whether this process
/// may ask for it. `None`: without that right it isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// This process may change links and routes (`CAP_NET_ADMIN`).
    pub may_change: bool,
    /// It has VXLANs.
    pub vxlan: Option<bool>,
    /// It has bridges.
    pub bridge: Option<bool>,
    /// It has next-hop objects; without them routes are plain.
    pub objects: Option<bool>,
    /// It has nftables; without them transit is kept off by rules, and nothing counts it.
    pub nftables: Option<bool>,
}

/// Asks the kernel. Nothing is changed.
///
/// # Errors
/// The kernel can't be asked.
pub fn abilities() -> Result<Abilities, KernelError> {
    let mut socket = Socket::open()?;
    let Some(bridge) = has_kind(&mut socket, InfoKind::Bridge)? else {
        return Ok(Abilities::default());
    };
    Ok(Abilities {
        may_change: true,
        bridge: Some(bridge),
        vxlan: has_kind(&mut socket, InfoKind::Vxlan)?,
        objects: Some(has_objects(&mut socket)?),
        nftables: Some(has_nftables()?),
    })
}

/// `None`: this process may not ask.
fn has_kind(socket: &mut Socket, kind: InfoKind) -> Result<Option<bool>, KernelError> {
    let mut batch = Batch::default();
    wire::try_kind(&mut batch, kind);
    let refused = socket.ask(&mut batch)?;
    let errno = refused.first().map(|(_, said)| said.errno);
    Ok(match errno {
        Some(Errno::PERM) => None,
        errno => Some(errno != Some(Errno::OPNOTSUPP)),
    })
}

fn has_objects(socket: &mut Socket) -> Result<bool, KernelError> {
    match socket.list("next-hop objects", wire::list_objects, || (), |(), _| ()) {
        Err(KernelError::Dump { said, .. }) if said.errno == Errno::OPNOTSUPP => Ok(false),
        listed => listed.map(|()| true),
    }
}

//! How many connections each client has open, and how many it may.
//!
//! **Who a client is.** The address that connects: IPv4 by itself, IPv6 by its /64, since that is
//! what one subscriber is given (RFC 6177), who may then use 2^64 addresses of it. Trusted proxies
//! are nobody's client: behind one address of theirs stand many people.
//!
//! **What it gets** over `limits.max_connections_per_client` is a reset, at once. Rejected: a 429.
//! To say it the gateway would first have to accept the TLS handshake and read a request, which
//! is the work that the bound is there to spare, for exactly those who have too many connections;
//! a 429 is about requests, and well-behaved clients would repeat it on the connections they have.
//! Also rejected: not to accept, as with `limits.max_connections`, since the kernel's queue is in
//! order of arrival and everybody behind that client would wait too.
//!
//! **Bound.** An entry stands for at least one open connection, so there are at most
//! `limits.max_connections` of them, some 40 bytes each.
//!
//! **Cost.** One lock when a connection is accepted and one when it ends; a request touches none.
//!
//! Invariant: what is counted is given back, however the connection ends, since the count is held
//! by [`ClientPlace`] and given back by its drop.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;

/// The bits of an IPv6 address that tell one client from another.
const SUBSCRIBER: u128 = !0 << 64;

/// Connections by client.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    // Seeded at random: clients choose their addresses within what they were given.
    open: Mutex<HashMap<IpAddr, u32, RandomState>>,
}

/// One connection among its client's, until it is dropped.
#[derive(Debug)]
pub(crate) struct ClientPlace(Option<(Arc<Clients>, IpAddr)>);

impl ClientPlace {
    /// The place of a connection that isn't counted.
    pub(crate) fn exempt() -> Self {
        Self(None)
    }
}

impl Clients {
    /// Counts a connection from that address; `None`: its client has `max` of them already.
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr, max: u32) -> Option<ClientPlace> {
        let client = client_of(from);
        let mut open = self.lock();
        let n_open = open.entry(client).or_default();
        // An entry that was just made is below any `max`, which is at least one.
        if *n_open >= max.max(1) {
            return None;
        }
        *n_open += 1;
        Some(ClientPlace(Some((self.clone(), client))))
    }

    /// How many clients have a connection.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32, RandomState>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let Some((clients, client)) = &self.0 else { return };
        let mut open = clients.lock();
        if let Some(n_open) = open.get_mut(client) {
            *n_open -= 1;
            if *n_open == 0 {
                open.remove(client);
            }
        }
    }
}

/// Whose connection one from that address is.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & SUBSCRIBER).into(),
    }
}

#[cfg(test)]
mod tests;

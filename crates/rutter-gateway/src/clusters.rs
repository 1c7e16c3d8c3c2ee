//! Other clusters: a service whose next hop is a cluster is asked for at a neighbour's gateway.
//!
//! ```text
//!   client ─▶ gateway of D ─TLS, both ends show a cluster's key─▶ gateway of B ─▶ gateway of A ─▶ service
//!             `Rutter-Via: 4; d`                         `Rutter-Via: 3; d, b`
//! ```
//!
//! Which neighbour a cluster is reached through is the fabric's word ([`Clusters`]), asked for with
//! each request: the ranked ways that avoid whoever had the request. They are tried in order by the
//! rules of [`crate::failover`], as routes are: what may not be repeated is sent to one of them.
//!
//! Invariants:
//! - the list of clusters that a request came through ([`via`]) is taken from a proven neighbour at
//!   the neighbours' listener, and dropped from everybody else's requests at every other;
//! - a request that has been in this cluster, or may go over no link any more, is refused with 508;
//! - a neighbour is served only what it was told of: what export policy keeps from it is a name that
//!   isn't known;
//! - both ends of a connection are proven by an active key of the cluster they are taken for, at each
//!   handshake, and a connection is used for no new request once keys have changed ([`tls`]).
//!
//! # When a way breaks
//!
//! A neighbour that the fabric has lost is given up at once by requests that wait for it, where they
//! may be repeated ([`GIVEN_UP`]): the fabric knows of the loss before TCP does. A neighbour's own
//! page says whether anything was done ([`refusal`]), and then the next way is tried.
//!
//! Rejected: a plain upstream route a neighbour, kept in the table. The way to a cluster would be
//! ranked twice, by two tables that learn of a loss at different times, and a request's own list of
//! clusters can't take part in a ranking that is made before it comes.

pub(crate) mod refusal;
pub(crate) mod tls;
pub(crate) mod via;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use rutter_link::PeerKey;
use rutter_route::{ClusterId, HostName, Service};

/// How long nothing may have moved before a neighbour that the fabric has lost is given up. It is
/// looked for at a quarter of it.
pub(crate) const GIVEN_UP: Duration = Duration::from_millis(200);

/// A way to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The neighbour that it leads through, or to.
    pub neighbour: ClusterId,
    /// The host of its gateway's listener for neighbours.
    pub host: HostName,
    /// Its port.
    pub port: u16,
}

/// What the gateway asks of the fabric. Each call answers at once, from what is known.
pub trait Clusters: fmt::Debug + Send + Sync {
    /// This cluster.
    fn own(&self) -> &ClusterId;

    /// The ways to a cluster, best first, of those that lead through none of `visited`. Empty: there
    /// is none now.
    fn ways(&self, to: &ClusterId, visited: &[ClusterId]) -> Vec<Way>;

    /// Whether a neighbour is connected now, or only restarts.
    fn is_connected(&self, neighbour: &ClusterId) -> bool;

    /// The configured neighbour of which this is an active key.
    fn neighbour_of(&self, key: &PeerKey) -> Option<ClusterId>;

    /// A certificate of this cluster's key, signed by itself; `None`: there is none yet.
    fn identity(&self) -> Option<Arc<CertifiedKey>>;

    /// Rises when [`Clusters::neighbour_of`] or [`Clusters::identity`] may answer otherwise.
    fn epoch(&self) -> u64;

    /// Whether a neighbour may ask for a service: whether it is told of it.
    fn is_told(&self, neighbour: &ClusterId, service: &Service) -> bool;
}

//! Connections to services: made, verified, counted, pooled.
//!
//! A pool of our own over `hyper::client::conn` (the shared client of hyper-util costs a tenth to
//! a fifth more CPU a request, and can neither say which bytes are out nor fail over). One pool a
//! worker thread, so its lock is never contended.
//!
//! - [`connect`]: from an endpoint to a byte stream: the address (looked up if it is a name), TCP,
//!   TLS. The only place where an upstream socket is opened.
//! - [`tls`]: whom to trust: the system's roots for the name asked for, or the controller's CA for
//!   the service's own name. Never nobody.
//! - [`connection`]: one HTTP/1.1 connection with its meter; says of a failed try what was sent.
//! - [`pool`]: idle connections by (scheme, address, TLS name, service).

pub(crate) mod body;
mod connect;
mod connection;
mod meter;
mod pool;
mod resolver;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use connect::{Connector, Target};
pub(crate) use connection::{Connection, Patience, Silence, TryError};
pub(crate) use meter::Meter;
pub(crate) use pool::{Pool, PoolConfig};
pub(crate) use stream::Stream;
pub use tls::Roots;

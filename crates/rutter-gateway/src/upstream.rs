//! Connections to services: made, verified, counted, pooled.
//!
//! A pool of our own over `hyper::client::conn` (the shared client of hyper-util costs a tenth to
//! a fifth more CPU a request, and can neither say which bytes are out nor fail over). One pool a
//! worker thread, so its lock is never contended.
//!
//! - [`connect`]: from an endpoint to a byte stream: the address (looked up if it is a name), TCP,
//!   TLS. The only place where an upstream socket is opened.
//! - [`target`]: what tells one connection from another.
//! - [`tls`], [`verify`]: whom to trust: the system's roots for the name asked for, the controller's
//!   CA for the service's own name, or what the route says instead; [`credentials`]: its files.
//! - [`connection`]: one exchange with an upstream; says of a failed try what was sent. Over
//!   HTTP/1.1 it is a connection with its meter, over HTTP/2 ([`http2`]) a stream of a shared one.
//! - [`body`]: an answer's body on its way to the client; [`begun`]: its beginning, kept back while the
//!   request may still go to another upstream.
//! - [`pool`]: idle and shared connections by target; [`slots`]: how many there may be.

mod begun;
pub(crate) mod body;
mod connect;
mod connection;
mod credentials;
mod http2;
mod meter;
mod pool;
mod resolver;
mod slots;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod verify;

pub(crate) use begun::Begun;
pub(crate) use connect::Connector;
pub(crate) use connection::{Connection, Patience, Silence, TryError};
pub(crate) use meter::Meter;
pub(crate) use pool::{Pool, PoolConfig};
pub(crate) use slots::{Busy, Slot};
pub(crate) use stream::Stream;
pub(crate) use target::Target;
pub use tls::Roots;

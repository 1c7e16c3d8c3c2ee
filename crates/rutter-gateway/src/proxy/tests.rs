//! The proxy over real sockets.

mod access;
mod bodies;
mod failing;
mod forwarding;
mod framing;
mod health;
mod http2;
mod silence;
mod upgrade;

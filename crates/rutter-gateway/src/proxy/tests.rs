//! The proxy over real sockets.

mod access;
mod balancing;
mod bodies;
mod failing;
mod forwarding;
mod framing;
mod health;
mod http2;
mod places;
mod silence;
mod streaming;
mod upgrade;
mod upstream_frames;
mod upstream_http2;

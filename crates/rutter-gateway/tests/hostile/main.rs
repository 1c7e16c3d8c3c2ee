//! What hurts: bytes that have two meanings, floods, and clients that take their time.
//!
//! A gateway is judged here by what an origin got, never by what the gateway says of itself: every
//! case has an origin of its own that records each byte, and a reader of RFC 9112 that is slow and
//! strict ([`strict`]) says what those bytes are. Bytes of the cases are written for these tables,
//! by the classes of attacks that are known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of it is tests, helpers among them, which print what they have measured"
)]

mod access;
mod floods;
mod h2;
mod http1;
mod origin;
mod responses;
mod scene;
mod slow_clients;
mod strict;

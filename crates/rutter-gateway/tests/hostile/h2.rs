//! HTTP/2, written and read byte by byte: no library would send what these tests send.

pub(crate) mod client;
mod conformance;

mod translation;
pub(crate) mod wire;

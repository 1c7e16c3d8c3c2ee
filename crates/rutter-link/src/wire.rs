//! The messages of `rutter.v1` and what they mean in Rutter's words.
//!
//! `proto/rutter.v1.proto` is the definition, and its comments are the protocol's documentation.
//! Nothing outside this folder builds or reads a message field by field: [`tells`] turns batches of
//! an outlet into updates and back, [`route`] and [`destination`] what is in them.
//!
//! What arrives is a stranger's word. A field that can't be parsed makes [`Malformed`], which names
//! the field and what was expected, and costs the route that it is in: the session goes on.

pub(crate) mod destination;
pub(crate) mod map;
pub(crate) mod observation;
pub(crate) mod route;
pub(crate) mod said;
pub(crate) mod tells;
#[cfg(test)]
mod tests;

/// What `build.rs` made of the definition.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("rutter.v1");
}

pub use destination::Family;

/// The revision of `rutter.v1` that this program speaks.
pub const REVISION: u32 = 1;

/// What a program calls itself in its `Hello`.
pub(crate) const SOFTWARE: &str = concat!("rutter/", env!("CARGO_PKG_VERSION"));

/// The most bytes of one message, either way. Ours stay under [`UPDATE_BYTES`] unless a single
/// destination needs more.
pub(crate) const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// How large an update may grow before the next begins.
pub(crate) const UPDATE_BYTES: usize = 256 * 1024;

/// A field that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {expected}")]
pub struct Malformed {
    /// Which field, such as `route.next_hop`.
    pub field: &'static str,
    /// What would have been accepted.
    pub expected: String,
}

impl Malformed {
    pub(crate) fn new(field: &'static str, expected: impl std::fmt::Display) -> Self {
        Self { field, expected: expected.to_string() }
    }

    /// For `map_err` of a parse.
    pub(crate) fn at<E: std::fmt::Display>(field: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::new(field, error)
    }
}

/// A frame of one body.
pub(crate) fn frame(body: v1::frame::Body) -> v1::Frame {
    v1::Frame { body: Some(body) }
}

/// Milliseconds on the wire; what doesn't fit is the longest that does.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

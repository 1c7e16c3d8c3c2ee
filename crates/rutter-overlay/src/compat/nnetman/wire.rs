//! The messages of `nnetman.v1`, made by `build.rs` from `proto/nnetman.v1.proto`.

/// What `build.rs` made of the definition.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub(super) mod v1 {
    tonic::include_proto!("nnetman.v1");
}

/// How long a call to a peer may take, as in the original.
pub(super) const CALL: std::time::Duration = std::time::Duration::from_secs(10);

/// The most routes of one message to a peer: an original takes 1 MiB, which is 29,586 of the
/// shortest.
pub(super) const ROUTES: usize = 20_000;

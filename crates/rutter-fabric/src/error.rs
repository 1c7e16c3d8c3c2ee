//! What can go wrong around the fabric.

/// An error of the fabric's edge. Unless a variant says otherwise, nothing was begun or changed.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// A listener can't be opened.
    #[error("the fabric can't listen at {at}: {why}")]
    Listen {
        /// Where.
        at: String,
        /// Why.
        why: String,
    },
    /// A key can't be read, made or used.
    #[error("{what}: {why}")]
    Key {
        /// Which, by its file or command.
        what: String,
        /// What was expected.
        why: String,
    },
    /// What is kept on disk can't be read or written.
    #[error("{path}: {why}")]
    State {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// The speaker doesn't start.
    #[error(transparent)]
    Speaker(#[from] rutter_protocol::speaker::SpeakerError),
    /// The policy contradicts itself.
    #[error("fabric policy: {0}")]
    Policy(#[from] rutter_protocol::policy::FabricPolicyError),
    /// The program is shutting down.
    #[error(transparent)]
    Closed(#[from] rutter_book::BookClosed),
}

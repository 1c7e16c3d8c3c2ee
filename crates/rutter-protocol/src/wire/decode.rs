//! Bytes to frames and messages.

use bytes::Bytes;

use super::{Frame, Malformed, Message};

impl Frame {
    /// Reads a frame; the messages of a batch share its bytes.
    ///
    /// # Errors
    /// Anything that isn't the canonical form of a frame.
    pub fn decode(_bytes: Bytes) -> Result<Self, Malformed> {
        todo!("H1")
    }
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// Anything that isn't the canonical form of a message.
    pub fn decode(_bytes: &[u8]) -> Result<Self, Malformed> {
        todo!("H1")
    }
}

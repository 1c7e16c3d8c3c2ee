//! Frames and messages to bytes.

use bytes::{Bytes, BytesMut};

use super::{Frame, Message};

impl Frame {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        todo!("H1")
    }
}

impl Message {
    /// Appends its bytes.
    pub fn encode(&self, _to: &mut BytesMut) {
        todo!("H1")
    }
}

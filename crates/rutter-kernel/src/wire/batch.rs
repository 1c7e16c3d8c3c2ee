//! Many requests in one send.

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader};

const HEADER: usize = 16;

/// Requests that go to the kernel in one send and are answered by one acknowledgement: the last
/// asks for it, and of the others the kernel tells the errors only, each with its sequence number.
/// One that fails doesn't keep the following from being done.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each message begins.
    starts: Vec<usize>,
    /// The last message ends a transaction, and is never acknowledged.
    ends: bool,
}

impl Batch {
    /// Adds a request.
    pub(crate) fn push(&mut self, message_type: u16, flags: u16, body: &impl Emitable) {
        let start = self.bytes.len();
        let length = HEADER + body.buffer_len();
        self.starts.push(start);
        // Messages begin at multiples of four.
        self.bytes.resize(start + length.next_multiple_of(4), 0);
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        header.message_type = message_type;
        header.flags = flags | NLM_F_REQUEST;
        if let Some(message) = self.bytes.get_mut(start..start + length) {
            let (head, rest) = message.split_at_mut(HEADER);
            header.emit(head);
            body.emit(rest);
        }
    }

    /// Adds what ends a transaction; nothing may follow. It is no request that is acknowledged.
    pub(crate) fn end(&mut self, message_type: u16, body: &impl Emitable) {
        self.push(message_type, 0, body);
        self.ends = true;
    }

    /// The place of the message that is acknowledged.
    pub(crate) fn last(&self) -> usize {
        self.starts.len().saturating_sub(1 + usize::from(self.ends))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The bytes to send, numbered from `first`. Only the last asks for an acknowledgement.
    pub(crate) fn seal(&mut self, first: u32) -> &[u8] {
        let last = self.last();
        for (n, start) in self.starts.iter().copied().enumerate() {
            let sequence = first.wrapping_add(u32::try_from(n).unwrap_or(u32::MAX));
            if let Some(at) = self.bytes.get_mut(start + 8..start + 12) {
                at.copy_from_slice(&sequence.to_ne_bytes());
            }
            if n == last
                && let Some(flags) = self.bytes.get_mut(start + 6..start + 8)
            {
                let before = u16::from_ne_bytes([flags[0], flags[1]]);
                flags.copy_from_slice(&(before | NLM_F_ACK).to_ne_bytes());
            }
        }
        &self.bytes
    }
}

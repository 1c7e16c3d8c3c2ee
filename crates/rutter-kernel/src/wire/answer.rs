//! What the kernel answers: acknowledgements, errors with its own words, ends of dumps.

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer};
use rustix::io::Errno;

use super::{attributes, bytes, u32_at};
use crate::error::Said;

/// `NLMSGERR_ATTR_MSG`: the kernel's words.
const WORDS: u16 = 1;

const HEADER: usize = 16;

/// One message of a datagram from the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) message_type: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl Answer<'_> {
    /// Whether it is an acknowledgement or an error.
    pub(crate) fn is_error(&self) -> bool {
        self.message_type == NLMSG_ERROR
    }

    /// Whether it ends a dump.
    pub(crate) fn is_done(&self) -> bool {
        self.message_type == NLMSG_DONE
    }
}

/// The first message of a datagram, and the rest. `None`: there is none, or it is malformed.
pub(crate) fn answer(datagram: &[u8]) -> Option<(Answer<'_>, &[u8])> {
    let message = NetlinkBuffer::new_checked(datagram).ok()?;
    let length = usize::try_from(message.length()).ok()?;
    let answer = Answer {
        message_type: message.message_type(),
        flags: message.flags(),
        sequence: message.sequence_number(),
        payload: datagram.get(HEADER..length)?,
    };
    Some((answer, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// What an error says. `None`: it is an acknowledgement.
pub(crate) fn error(answer: &Answer<'_>) -> Option<Said> {
    let errno = errno(answer.payload)?;
    // Behind the error stands the header of the request, whole requests only without `CAPPED`.
    let request = if answer.flags & NLM_F_CAPPED == 0 {
        usize::try_from(u32_at(answer.payload, 4)).unwrap_or(HEADER)
    } else {
        HEADER
    };
    let words = if answer.flags & NLM_F_ACK_TLVS == 0 {
        String::new()
    } else {
        words(answer.payload, 4 + request.max(HEADER).next_multiple_of(4))
    };
    Some(Said { errno, words })
}

/// What the end of a dump says. `None`: all is listed.
pub(crate) fn dump_end(answer: &Answer<'_>) -> Option<Said> {
    let errno = errno(answer.payload)?;
    Some(Said { errno, words: words(answer.payload, 4) })
}

fn errno(payload: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(bytes(payload, 0));
    // What is no number of an error the kernel doesn't say.
    let errno =
        |code: i32| if (-4095..0).contains(&code) { -code } else { Errno::IO.raw_os_error() };
    (code != 0).then(|| Errno::from_raw_os_error(errno(code)))
}

fn words(payload: &[u8], from: usize) -> String {
    let mut attributes = attributes(payload, from);
    let words = attributes.find(|(kind, _)| *kind == WORDS).map(|(_, words)| words);
    let words = words.map(|words| words.split(|b| *b == 0).next().unwrap_or_default());
    words.map(|words| String::from_utf8_lossy(words).into_owned()).unwrap_or_default()
}

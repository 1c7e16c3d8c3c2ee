//! What a case is, and the codes of errors (RFC 9113 7).

pub(super) const NO_ERROR: u32 = 0x0;
pub(super) const PROTOCOL_ERROR: u32 = 0x1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 0x3;
pub(super) const STREAM_CLOSED: u32 = 0x5;
pub(super) const FRAME_SIZE_ERROR: u32 = 0x6;
pub(super) const REFUSED_STREAM: u32 = 0x7;
pub(super) const CANCEL: u32 = 0x8;
pub(super) const INTERNAL_ERROR: u32 = 0x2;
pub(super) const COMPRESSION_ERROR: u32 = 0x9;
pub(super) const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Gateway,
    HaProxy,
}

/// One outcome.
#[derive(Debug, Clone)]
pub(super) enum Must {
    /// The connection ends with one of these codes.
    Connection(Vec<u32>),
    /// That stream, or the connection, ends with one of these codes.
    Stream(u32, Vec<u32>),
    /// That stream gets an answer of one of these statuses.
    Answer(u32, std::ops::RangeInclusive<u16>),
    /// No error: the connection and its streams go on.
    Nothing,
    /// A ping with these bytes is answered.
    Pong(&'static [u8]),
    /// So many SETTINGS were acknowledged.
    Acknowledged(usize),
}

/// How a case's connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Prefaces and settings are exchanged and acknowledged.
    Usual,
    /// Nothing was said: the case's bytes are the first.
    Raw,
}

/// Bytes and what may come of them.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) section: &'static str,
    pub(super) what: &'static str,
    pub(super) begin: Begin,
    pub(super) bytes: Vec<u8>,
    /// Any of these.
    pub(super) must: Vec<Must>,
    /// Who does something else, what, and why.
    pub(super) but: Vec<((Who, Must), &'static str)>,
}

impl Case {
    pub(super) fn but(mut self, who: Who, does: Must, why: &'static str) -> Self {
        self.but.push(((who, does), why));
        self
    }

    pub(super) fn raw(mut self) -> Self {
        self.begin = Begin::Raw;
        self
    }

    /// h2 has one code for frames that it can't read.
    pub(super) fn sized_by_h2(self) -> Self {
        let why =
            "h2 calls a frame of a wrong size PROTOCOL_ERROR; the connection ends all the same";
        self.but(Who::Gateway, connection(PROTOCOL_ERROR), why)
    }

    /// And for header blocks that it can't read.
    pub(super) fn unpacked_by_h2(self) -> Self {
        match &self.must[..] {
            [Must::Connection(codes)] if codes[..] == [COMPRESSION_ERROR] => {
                let why = "h2 calls a header block that it can't read PROTOCOL_ERROR; the \
                           connection ends all the same";
                self.but(Who::Gateway, connection(PROTOCOL_ERROR), why)
            }
            _ => self,
        }
    }

    /// Another outcome that is permitted.
    pub(super) fn or(mut self, must: Must) -> Self {
        self.must.push(must);
        self
    }
}

/// A case; `parts` are sent one behind the other.
pub(super) fn case(
    section: &'static str,
    what: &'static str,
    parts: &[Vec<u8>],
    must: Must,
) -> Case {
    let bytes = parts.concat();
    Case { section, what, begin: Begin::Usual, bytes, must: vec![must], but: Vec::new() }
}

/// The connection ends with this code.
pub(super) fn connection(code: u32) -> Must {
    Must::Connection(vec![code])
}

/// Stream 1, or the connection, ends with this code.
pub(super) fn stream(code: u32) -> Must {
    Must::Stream(1, vec![code])
}

/// Stream 1 is answered with 200.
pub(super) fn served() -> Must {
    Must::Answer(1, 200..=200)
}

/// Stream 1 holds a malformed request (RFC 9113 8.1.1): an error of the stream, or an answer that
/// says so.
pub(super) fn malformed(section: &'static str, what: &'static str, parts: &[Vec<u8>]) -> Case {
    case(section, what, parts, stream(PROTOCOL_ERROR)).or(Must::Answer(1, 400..=499))
}

//! Frames (RFC 9113 4, 6) and header blocks (RFC 7541) as bytes, right or wrong.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;
/// Of a request without a body.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole number behind the upper bits of its first byte (RFC 7541 5.1).
pub(crate) fn number(upper: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![upper | u8::try_from(value).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![upper | u8::try_from(most).unwrap()], value - most);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A string as it is, without Huffman's code (RFC 7541 5.2).
pub(crate) fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [number(0, 7, bytes.as_ref().len()), bytes.as_ref().to_vec()].concat()
}

/// A field that no table remembers (RFC 7541 6.2.2).
pub(crate) fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x00], text(name), text(value)].concat()
}

/// A field that the dynamic table remembers (RFC 7541 6.2.1).
pub(crate) fn remembered(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0x40], text(name), text(value)].concat()
}

/// Fields in order.
pub(crate) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (N, V)>,
) -> Vec<u8> {
    fields.into_iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// The service that requests here are for.
pub(crate) const HOST: &str = "alice.nsl.sh";

/// The pseudo-headers of a request.
pub(crate) fn pseudo(method: &str, path: &str) -> Vec<u8> {
    block([(":method", method), (":scheme", "http"), (":authority", HOST), (":path", path)])
}

/// A `GET` without a body.
pub(crate) fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, pseudo("GET", "/x"))
}

/// A `POST` whose body is yet to come.
pub(crate) fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, pseudo("POST", "/x"))
}

/// One setting.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The first frame in a buffer, taken out of it.
pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Frame> {
    let head = buffer.get(..9)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let (kind, flags) = (head[3], head[4]);
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    let payload = buffer.get(9..9 + length)?.to_vec();
    buffer.drain(..9 + length);
    Some(Frame { kind, flags, stream, payload })
}

/// The status that a header block of an answer begins with: in the static table, or written out,
/// with Huffman's code (RFC 7541 B: digits have five or six bits) or without. 0: another form.
pub(crate) fn status(mut block: &[u8]) -> u16 {
    // Changes of the table's size come first.
    while block.first().is_some_and(|b| b & 0xe0 == 0x20) {
        block = &block[1..];
    }
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [first @ 0x88..=0x8e, ..] => indexed[usize::from(first - 0x88)],
        // The name by its index in the static table, 8 to 14.
        [0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e, 3, value @ ..] => {
            String::from_utf8_lossy(&value[..3]).parse().unwrap_or(0)
        }
        [0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e, length, value @ ..] if length & 0x80 != 0 => {
            huffman_digits(&value[..usize::from(length & 0x7f)])
        }
        _ => 0,
    }
}

fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |n| b >> n & 1)).collect();
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let take = |n: usize| {
            bits.get(at..at + n).map_or(0xff, |b| b.iter().fold(0, |all, bit| all << 1 | bit))
        };
        let (digit, n) = match (take(5), take(6)) {
            (short @ 0..=2, _) => (u16::from(short), 5),
            (_, long @ 0x19..=0x1f) => (u16::from(long - 0x19) + 3, 6),
            _ => return 0,
        };
        value = value * 10 + digit;
        at += n;
    }
    value
}

#[test]
fn numbers_are_written_as_in_the_rfcs_examples() {
    assert_eq!(number(0, 5, 10), [10]);
    assert_eq!(number(0, 5, 1337), [31, 154, 10]);
    assert_eq!(number(0, 8, 42), [42]);
}

#[test]
fn a_status_is_read_in_each_of_its_forms() {
    assert_eq!(status(&[0x88]), 200);
    assert_eq!(status(&[0x20, 0x8d]), 404);
    assert_eq!(status(&[0x48, 3, b'5', b'0', b'2']), 502);
    // RFC 7541 C.6.1: `302`.
    assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), 302);
    // C.6.2: `307`.
    assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), 307);
}

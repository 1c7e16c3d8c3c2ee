//! HTTP in HTTP/2: RFC 9113 8.
// tidy: a table of data

use super::super::wire::{
    DATA, END_HEADERS, END_STREAM, HEADERS, HOST, WHOLE, block, field, frame, get, post, pseudo,
};
use super::case::{
    COMPRESSION_ERROR, Case, FRAME_SIZE_ERROR, INTERNAL_ERROR, Must, PROTOCOL_ERROR, Who, case,
    connection, malformed, served, stream,
};

fn only(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, block(fields.iter().copied()))
}

fn with(name: &str, value: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), field(name, value)].concat())
}

fn long(length: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, [pseudo("POST", "/x"), field("content-length", length)].concat())
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let (m, s, a, p) = ((":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", "/x"));
    let data = |text: &str| frame(DATA, END_STREAM, 1, text);
    vec![
        case("9113 8.1", "GET", &[get(1)], served()),
        case("9113 8.1", "HEAD", &[frame(HEADERS, WHOLE, 1, pseudo("HEAD", "/x"))], Must::Answer(1, 200..=502)),
        case("9113 8.1", "POST with a body", &[post(1), data("ab")], served()),
        case("9113 8.1", "POST with trailers", &[post(1), frame(DATA, 0, 1, "ab"), frame(HEADERS, WHOLE, 1, field("a", "b"))], served()),
        malformed("9113 8.1", "trailers with pseudo-headers", &[post(1), frame(DATA, 0, 1, "ab"), frame(HEADERS, WHOLE, 1, field(":path", "/y"))])
            .but(Who::Gateway, served(), "h2 drops pseudo-headers of trailers; none reaches a service")
            .but(Who::HaProxy, stream(INTERNAL_ERROR), "HAProxy 2.6 has another code"),
        malformed("9113 8.1", "a second head that doesn't end the stream", &[post(1), frame(HEADERS, END_HEADERS, 1, field("a", "b")), data("ab")]),
        malformed("9113 8.1.1", "less body than was said", &[long("5"), data("ab")]),
        malformed("9113 8.1.1", "more body than was said", &[long("1"), data("ab")]),
        malformed("9113 8.1.1", "more body than was said, in two frames", &[long("3"), frame(DATA, 0, 1, "ab"), data("ab")]),
        malformed("9113 8.1.1", "no body where one was said", &[frame(HEADERS, WHOLE, 1, [pseudo("POST", "/x"), field("content-length", "2")].concat())])
            .but(Who::HaProxy, served(), "HAProxy 2.6 counts bytes only when DATA comes"),
        case("9113 8.1.1", "as much body as was said, in two frames", &[long("4"), frame(DATA, 0, 1, "ab"), data("ab")], served()),
        malformed("9113 8.2", "a name in upper case", &[with("A", "b")]),
        malformed("9113 8.2.1", "a name with a space", &[with("a b", "c")]),
        malformed("9113 8.2.1", "a name with a colon", &[with("a:b", "c")]),
        malformed("9113 8.2.1", "an empty name", &[with("", "c")])
            .but(Who::HaProxy, connection(COMPRESSION_ERROR), "HAProxy 2.6 takes it for an error of compression"),
        malformed("9113 8.2.1", "a name with a control byte", &[with("a\x01", "c")]),
        malformed("9113 8.2.1", "a name with DEL", &[with("a\x7f", "c")]),
        malformed("9113 8.2.1", "CR in a value", &[with("a", "b\rc")]),
        malformed("9113 8.2.1", "LF in a value", &[with("a", "b\nc")]),
        malformed("9113 8.2.1", "NUL in a value", &[with("a", "b\0c")]),
        malformed("9113 8.2.1", "a value that begins with a space", &[with("a", " b")]).or(served()),
        malformed("9113 8.2.1", "a value that ends with a tab", &[with("a", "b\t")]).or(served()),
        malformed("9113 8.2.2", "connection", &[with("connection", "keep-alive")]),
        malformed("9113 8.2.2", "keep-alive", &[with("keep-alive", "timeout=5")]),
        malformed("9113 8.2.2", "proxy-connection", &[with("proxy-connection", "close")]),
        malformed("9113 8.2.2", "transfer-encoding", &[with("transfer-encoding", "chunked")]),
        malformed("9113 8.2.2", "upgrade", &[with("upgrade", "websocket")]),
        malformed("9113 8.2.2", "te that isn't trailers", &[with("te", "gzip")]),
        case("9113 8.2.2", "te: trailers", &[with("te", "trailers")], served()),
        case("9113 8.2.3", "cookies in crumbs", &[frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), field("cookie", "a=1"), field("cookie", "b=2")].concat())], served()),
        malformed("9113 8.3", "an unknown pseudo-header", &[only(&[m, s, a, p, (":x", "y")])]),
        malformed("9113 8.3", "a pseudo-header of answers", &[only(&[m, s, a, p, (":status", "200")])]),
        malformed("9113 8.3", "a pseudo-header behind a field", &[only(&[m, s, a, ("a", "b"), p])]),
        malformed("9113 8.3", ":path twice", &[only(&[m, s, a, p, p])]),
        malformed("9113 8.3", ":method twice", &[only(&[m, m, s, a, p])]),
        malformed("9113 8.3", ":scheme twice", &[only(&[m, s, s, a, p])]),
        malformed("9113 8.3", ":authority twice", &[only(&[m, s, a, a, p])]),
        malformed("9113 8.3.1", "no :method", &[only(&[s, a, p])]),
        malformed("9113 8.3.1", "no :scheme", &[only(&[m, a, p])]),
        malformed("9113 8.3.1", "no :path", &[only(&[m, s, a])]),
        malformed("9113 8.3.1", "an empty :path", &[only(&[m, s, a, (":path", "")])]),
        malformed("9113 8.3.1", "an empty head", &[frame(HEADERS, WHOLE, 1, [])])
            .but(Who::HaProxy, connection(FRAME_SIZE_ERROR), "HAProxy 2.6 takes an empty HEADERS for a wrong size"),
        case("9113 8.3.1", "host instead of :authority", &[only(&[m, s, p, ("host", HOST)])], served()),
        malformed("9113 8.3.1", ":authority beside another host", &[with("host", "other.nsl.sh")]).or(served()),
        case("9113 8.3.1", "OPTIONS of *", &[only(&[(":method", "OPTIONS"), s, a, (":path", "*")])], served()),
        malformed("9113 8.5", "CONNECT with :path and :scheme", &[only(&[(":method", "CONNECT"), s, a, p])]).or(Must::Answer(1, 501..=501)),
        malformed("9113 8.5", "CONNECT without :authority", &[only(&[(":method", "CONNECT")])]).or(Must::Answer(1, 501..=501)),
        case("9113 8.4", "a client can't push", &[post(1), frame(0x5, END_HEADERS, 1, [vec![0, 0, 0, 4], pseudo("GET", "/y")].concat())], stream(PROTOCOL_ERROR)),
        case("9113 8.7", "a request that was refused may come again", &[get(1), get(3)], Must::Answer(3, 200..=200)),
    ]
}

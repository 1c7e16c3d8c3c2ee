//! The preface and frames as such: RFC 9113 3.4, 4, 5.5, 6.1, 6.2, 6.3, 6.4, 6.7, 6.8, 6.10.
// tidy: a table of data

use super::super::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE,
    PRIORITY, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, WITH_PRIORITY, frame, get, post, pseudo,
};
use super::case::{
    CANCEL, Case, FRAME_SIZE_ERROR, Must, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED, Who, case,
    connection, served, stream,
};

const SIXTEEN_K: usize = 16_384;

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let settings = || frame(SETTINGS, 0, 0, []);
    let open = |flags, payload: Vec<u8>| frame(HEADERS, flags, 1, payload);
    let head = || pseudo("GET", "/x");
    vec![
        case("9113 3.4", "settings behind the preface are acknowledged", &[PREFACE.to_vec(), settings()], Must::Acknowledged(1)).raw(),
        case("9113 3.4", "a preface that is another text", &[b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), settings()], connection(PROTOCOL_ERROR)).raw(),
        case("9113 3.4", "a preface without SETTINGS behind it", &[PREFACE.to_vec(), get(1)], connection(PROTOCOL_ERROR)).raw()
            .but(Who::Gateway, served(), "h2 takes other frames before the first SETTINGS"),
        case("9113 3.4", "a ping before SETTINGS", &[PREFACE.to_vec(), frame(PING, 0, 0, [0; 8])], connection(PROTOCOL_ERROR)).raw()
            .but(Who::Gateway, Must::Pong(&[0; 8]), "h2 takes other frames before the first SETTINGS"),
        case("9113 3.4", "a request right behind the preface, before the server's settings", &[PREFACE.to_vec(), settings(), get(1)], served()).raw(),
        case("9113 3.4", "an acknowledgement instead of the first SETTINGS", &[PREFACE.to_vec(), frame(SETTINGS, ACK, 0, [])], connection(PROTOCOL_ERROR)).raw()
            .but(Who::Gateway, connection(NO_ERROR), "h2 takes other frames before the first SETTINGS; nothing is asked, so the connection ends when it was idle long enough"),

        case("9113 4.1", "a frame of an unknown type", &[frame(0x16, 0, 0, [0; 8]), get(1)], served()),
        case("9113 4.1", "an unknown frame on a stream", &[post(1), frame(0xfa, 0xff, 1, [1; 3]), frame(DATA, END_STREAM, 1, "ab")], served()),
        case("9113 4.1", "flags that aren't defined", &[frame(PING, 0xfe, 0, [7; 8])], Must::Pong(&[7; 8])),
        case("9113 4.1", "the reserved bit of a stream's number", &[frame(PING, 0, 0x8000_0000, [8; 8])], Must::Pong(&[8; 8])),
        case("9113 4.1", "the reserved bit on a request", &[frame(HEADERS, WHOLE, 0x8000_0001, head())], served()),
        case("9113 4.2", "DATA of the largest size", &[post(1), frame(DATA, END_STREAM, 1, vec![b'x'; SIXTEEN_K])], served()),
        case("9113 4.2", "DATA over the largest size", &[post(1), frame(DATA, END_STREAM, 1, vec![b'x'; SIXTEEN_K + 1])], stream(FRAME_SIZE_ERROR)),
        case("9113 4.2", "HEADERS over the largest size", &[open(WHOLE, vec![0; SIXTEEN_K + 1])], connection(FRAME_SIZE_ERROR)),
        case("9113 4.2", "SETTINGS over the largest size", &[frame(SETTINGS, 0, 0, vec![0; SIXTEEN_K + 2])], connection(FRAME_SIZE_ERROR)),
        case("9113 4.2", "a frame that says 16 MiB", &[vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]], connection(FRAME_SIZE_ERROR)),
        case("9113 4.3", "a header block broken by PRIORITY", &[open(END_STREAM, head()), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])], connection(PROTOCOL_ERROR)),
        case("9113 4.3", "a header block broken by another stream's HEADERS", &[open(END_STREAM, head()), get(3)], connection(PROTOCOL_ERROR)),
        case("9113 5.5", "an unknown frame inside a header block", &[open(END_STREAM, head()), frame(0x16, 0, 1, [])], connection(PROTOCOL_ERROR)),

        case("9113 6.1", "DATA on stream 0", &[frame(DATA, 0, 0, "ab")], connection(PROTOCOL_ERROR)),
        case("9113 6.1", "padding as long as the frame", &[post(1), frame(DATA, PADDED | END_STREAM, 1, [2, b'a'])], connection(PROTOCOL_ERROR)),
        case("9113 6.1", "padding longer than the frame", &[post(1), frame(DATA, PADDED | END_STREAM, 1, [200, b'a', 0])], connection(PROTOCOL_ERROR)),
        case("9113 6.1", "padded DATA without a length of padding", &[post(1), frame(DATA, PADDED | END_STREAM, 1, [])], connection(FRAME_SIZE_ERROR)).or(connection(PROTOCOL_ERROR)),
        case("9113 6.1", "DATA with padding", &[post(1), frame(DATA, PADDED | END_STREAM, 1, [2, b'a', b'b', 0, 0])], served())
            .but(Who::HaProxy, connection(FRAME_SIZE_ERROR), "HAProxy 2.6 takes no padding on DATA"),
        case("9113 6.1", "DATA that is padding alone", &[post(1), frame(DATA, PADDED | END_STREAM, 1, [2, 0, 0])], served())
            .but(Who::HaProxy, connection(FRAME_SIZE_ERROR), "HAProxy 2.6 takes no padding on DATA"),
        case("9113 6.1", "empty DATA that ends a stream", &[post(1), frame(DATA, END_STREAM, 1, [])], served()),
        case("9113 6.2", "HEADERS on stream 0", &[frame(HEADERS, WHOLE, 0, head())], connection(PROTOCOL_ERROR)),
        case("9113 6.2", "HEADERS with too much padding", &[open(WHOLE | PADDED, [vec![200], head()].concat())], connection(PROTOCOL_ERROR)),
        case("9113 6.2", "HEADERS with padding", &[open(WHOLE | PADDED, [vec![3], head(), vec![0; 3]].concat())], served()),
        case("9113 6.2", "HEADERS with a priority", &[open(WHOLE | WITH_PRIORITY, [vec![0, 0, 0, 0, 15], head()].concat())], served()),
        case("9113 6.2", "HEADERS with padding and a priority", &[open(WHOLE | PADDED | WITH_PRIORITY, [vec![1, 0x80, 0, 0, 0, 255], head(), vec![0]].concat())], served()),
        case("9113 6.3", "PRIORITY on stream 0", &[frame(PRIORITY, 0, 0, [0, 0, 0, 0, 1])], connection(PROTOCOL_ERROR)),
        case("9113 6.3", "PRIORITY of four bytes", &[post(1), frame(PRIORITY, 0, 1, [0; 4])], stream(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.3", "PRIORITY of six bytes", &[post(1), frame(PRIORITY, 0, 1, [0; 6])], stream(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.3", "PRIORITY on an idle stream", &[frame(PRIORITY, 0, 5, [0, 0, 0, 0, 1]), get(7)], Must::Answer(7, 200..=200)),
        case("9113 6.4", "RST_STREAM on stream 0", &[frame(RST_STREAM, 0, 0, CANCEL.to_be_bytes())], connection(PROTOCOL_ERROR)),
        case("9113 6.4", "RST_STREAM on an idle stream", &[frame(RST_STREAM, 0, 1, CANCEL.to_be_bytes())], connection(PROTOCOL_ERROR)),
        case("9113 6.4", "RST_STREAM of three bytes", &[post(1), frame(RST_STREAM, 0, 1, [0; 3])], connection(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.4", "RST_STREAM of five bytes", &[post(1), frame(RST_STREAM, 0, 1, [0; 5])], connection(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.4", "a stream that is reset ends, and others go on", &[post(1), frame(RST_STREAM, 0, 1, CANCEL.to_be_bytes()), get(3)], Must::Answer(3, 200..=200)),
        case("9113 6.7", "a ping is answered with its bytes", &[frame(PING, 0, 0, b"rutter!!")], Must::Pong(b"rutter!!")),
        case("9113 6.7", "an answer to a ping that nobody sent", &[frame(PING, ACK, 0, b"unasked!"), get(1)], served()),
        case("9113 6.7", "a ping on a stream", &[frame(PING, 0, 1, [0; 8])], connection(PROTOCOL_ERROR)),
        case("9113 6.7", "a ping of six bytes", &[frame(PING, 0, 0, [0; 6])], connection(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.7", "a ping of nine bytes", &[frame(PING, 0, 0, [0; 9])], connection(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.7", "a ping while a body is under way", &[post(1), frame(PING, 0, 0, [9; 8])], Must::Pong(&[9; 8])),
        case("9113 6.8", "GOAWAY on a stream", &[frame(GOAWAY, 0, 1, [0; 8])], connection(PROTOCOL_ERROR)),
        case("9113 6.8", "GOAWAY of four bytes", &[frame(GOAWAY, 0, 0, [0; 4])], connection(FRAME_SIZE_ERROR)).sized_by_h2(),
        case("9113 6.8", "streams that were open before a GOAWAY are served", &[get(1), frame(GOAWAY, 0, 0, [0; 8])], served()).or(Must::Connection(vec![0])),
        case("9113 6.10", "a head in three frames", &[split(3)], served()),
        case("9113 6.10", "CONTINUATION without fields", &[open(END_STREAM, head()), frame(CONTINUATION, END_HEADERS, 1, [])], served()),
        case("9113 6.10", "CONTINUATION without HEADERS", &[frame(CONTINUATION, END_HEADERS, 1, head())], connection(PROTOCOL_ERROR)),
        case("9113 6.10", "CONTINUATION behind the end of a head", &[get(1), frame(CONTINUATION, END_HEADERS, 1, [])], connection(PROTOCOL_ERROR)),
        case("9113 6.10", "CONTINUATION on stream 0", &[open(END_STREAM, head()), frame(CONTINUATION, END_HEADERS, 0, [])], connection(PROTOCOL_ERROR)),
        case("9113 6.10", "CONTINUATION on another stream", &[open(END_STREAM, head()), frame(CONTINUATION, END_HEADERS, 3, [])], connection(PROTOCOL_ERROR)),
        case("9113 6.10", "DATA between HEADERS and CONTINUATION", &[open(0, head()), frame(DATA, END_STREAM, 1, "ab")], connection(PROTOCOL_ERROR)),
        case("9113 6.10", "SETTINGS between HEADERS and CONTINUATION", &[open(END_STREAM, head()), settings()], connection(PROTOCOL_ERROR)),
        case("9113 6.10", "WINDOW_UPDATE between HEADERS and CONTINUATION", &[open(END_STREAM, head()), frame(WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes())], connection(PROTOCOL_ERROR)),
        case("9113 6.1", "DATA behind the end of a stream", &[get(1), frame(DATA, END_STREAM, 1, "ab")], stream(STREAM_CLOSED))
            .but(Who::Gateway, connection(PROTOCOL_ERROR), "h2 ends the connection by PROTOCOL_ERROR where the stream's STREAM_CLOSED is asked for"),
    ]
}

/// The head of a `GET` in so many frames, cut where it falls.
fn split(n: usize) -> Vec<u8> {
    let head = pseudo("GET", "/x");
    let pieces: Vec<_> = head.chunks(head.len().div_ceil(n)).collect();
    let mut frames = frame(HEADERS, END_STREAM, 1, pieces[0]);
    for (at, piece) in pieces.iter().enumerate().skip(1) {
        let flags = if at + 1 == pieces.len() { END_HEADERS } else { 0 };
        frames.extend(frame(CONTINUATION, flags, 1, piece));
    }
    frames
}

//! Streams and their states: RFC 9113 5.1, 5.3, 5.4.
// tidy: a table of data

use super::super::wire::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PRIORITY, PUSH_PROMISE, RST_STREAM, WHOLE,
    WINDOW_UPDATE, WITH_PRIORITY, field, frame, get, post, pseudo,
};
use super::case::{
    CANCEL, Case, Must, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, Who, case, connection,
    served, stream,
};

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, CANCEL.to_be_bytes())
}

fn window(stream: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, 1_u32.to_be_bytes())
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let head = || pseudo("POST", "/x");
    let data = |id| frame(DATA, END_STREAM, id, "ab");
    vec![
        case("9113 5.1", "idle: DATA", &[data(1)], connection(PROTOCOL_ERROR)).or(connection(STREAM_CLOSED)),
        case("9113 5.1", "idle: RST_STREAM", &[reset(9)], connection(PROTOCOL_ERROR)),
        case("9113 5.1", "idle: WINDOW_UPDATE", &[window(1)], connection(PROTOCOL_ERROR)),
        case("9113 5.1", "idle: PRIORITY", &[frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]), get(1)], served()),
        case("9113 5.1", "open: DATA and trailers", &[post(1), frame(DATA, 0, 1, "ab"), frame(HEADERS, WHOLE, 1, field("a", "b"))], served()),
        case("9113 5.1", "open: WINDOW_UPDATE and PRIORITY", &[post(1), window(1), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]), data(1)], served()),
        case("9113 5.1", "half-closed (remote): DATA", &[get(1), data(1)], stream(STREAM_CLOSED))
            .but(Who::Gateway, connection(PROTOCOL_ERROR), "h2 ends the connection by PROTOCOL_ERROR where the stream's STREAM_CLOSED is asked for"),
        // 5.1.1: a number that isn't higher than before is also an error of the connection.
        case("9113 5.1", "half-closed (remote): HEADERS", &[get(1), get(1)], stream(STREAM_CLOSED)).or(connection(PROTOCOL_ERROR)),
        case("9113 5.1", "half-closed (remote): WINDOW_UPDATE", &[get(1), window(1)], served()),
        case("9113 5.1", "half-closed (remote): PRIORITY", &[get(1), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])], served()),
        case("9113 5.1", "half-closed (remote): RST_STREAM", &[get(1), reset(1), get(3)], Must::Answer(3, 200..=200)),
        case("9113 5.1", "closed by RST_STREAM: DATA", &[post(1), reset(1), data(1)], stream(STREAM_CLOSED)).or(Must::Nothing),
        case("9113 5.1", "closed by RST_STREAM: HEADERS", &[post(1), reset(1), get(1)], stream(STREAM_CLOSED)).or(connection(PROTOCOL_ERROR)),
        case("9113 5.1", "closed by RST_STREAM: WINDOW_UPDATE", &[post(1), reset(1), window(1), get(3)], Must::Answer(3, 200..=200)),
        case("9113 5.1", "closed by RST_STREAM: PRIORITY", &[post(1), reset(1), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]), get(3)], Must::Answer(3, 200..=200)),
        case("9113 5.1", "closed by RST_STREAM: RST_STREAM", &[post(1), reset(1), reset(1), get(3)], Must::Answer(3, 200..=200)).or(Must::Connection(vec![STREAM_CLOSED])),
        case("9113 5.1", "trailers that don't end the stream", &[post(1), frame(HEADERS, END_HEADERS, 1, field("a", "b")), data(1)], stream(PROTOCOL_ERROR)).or(Must::Answer(1, 400..=499)),
        case("9113 5.1.1", "a stream of an even number", &[frame(HEADERS, WHOLE, 2, head())], connection(PROTOCOL_ERROR)),
        case("9113 5.1.1", "a lower number than before", &[get(5), get(3)], connection(PROTOCOL_ERROR)).or(connection(STREAM_CLOSED)),
        case("9113 5.1.1", "numbers may be left out", &[get(1), get(101)], Must::Answer(101, 200..=200)),
        case("9113 5.1.1", "the largest number", &[get(0x7fff_ffff)], Must::Answer(0x7fff_ffff, 200..=200)),
        case("9113 5.1.1", "an idle stream that was left out is closed", &[get(5), data(3)], Must::Stream(3, vec![STREAM_CLOSED])).or(connection(PROTOCOL_ERROR)),
        case("9113 5.1.2", "more streams at once than are allowed", &[(0..200).flat_map(|n| post(2 * n + 1)).collect()], Must::Stream(399, vec![REFUSED_STREAM, PROTOCOL_ERROR])),
        case("9113 5.3", "a stream that depends on itself by HEADERS", &[frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [vec![0, 0, 0, 1, 15], pseudo("GET", "/x")].concat())], served()).or(stream(PROTOCOL_ERROR)),
        case("9113 5.3", "a stream that depends on itself by PRIORITY", &[frame(PRIORITY, 0, 1, [0, 0, 0, 1, 15]), get(3)], Must::Answer(3, 200..=200)).or(stream(PROTOCOL_ERROR)),
        case("9113 5.3", "a stream that depends on one that isn't there", &[frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [vec![0, 0, 0, 77, 15], pseudo("GET", "/x")].concat())], served()),
        case("9113 5.4.2", "an error of a stream leaves the others alone", &[frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), field("A", "b")].concat()), get(3)], Must::Answer(3, 200..=200)).or(connection(PROTOCOL_ERROR)),
        case("9113 6.6", "PUSH_PROMISE of a client", &[post(1), frame(PUSH_PROMISE, END_HEADERS, 1, [vec![0, 0, 0, 2], head()].concat())], connection(PROTOCOL_ERROR)),
        case("9113 6.6", "PUSH_PROMISE on stream 0", &[frame(PUSH_PROMISE, END_HEADERS, 0, [vec![0, 0, 0, 2], head()].concat())], connection(PROTOCOL_ERROR)),
    ]
}

//! SETTINGS: RFC 9113 6.5.
// tidy: a table of data

use super::super::wire::{ACK, DATA, END_STREAM, SETTINGS, frame, get, post, setting};
use super::case::{
    Case, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Must, PROTOCOL_ERROR, Who, case, connection, served,
};

fn set(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, setting(id, value))
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("9113 6.5", "an acknowledgement with a payload", &[frame(SETTINGS, ACK, 0, setting(1, 0))], connection(FRAME_SIZE_ERROR))
            .sized_by_h2(),
        case("9113 6.5", "SETTINGS on a stream", &[frame(SETTINGS, 0, 1, setting(3, 100))], connection(PROTOCOL_ERROR)),
        case("9113 6.5", "a length that isn't a multiple of six", &[frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0])], connection(FRAME_SIZE_ERROR))
            .sized_by_h2(),
        case("9113 6.5", "a length of seven", &[frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 1, 0])], connection(FRAME_SIZE_ERROR))
            .sized_by_h2(),
        case("9113 6.5", "an acknowledgement that nobody waits for", &[frame(SETTINGS, ACK, 0, []), get(1)], served()).or(connection(PROTOCOL_ERROR)),
        case("9113 6.5", "empty SETTINGS", &[frame(SETTINGS, 0, 0, [])], Must::Acknowledged(2)),
        case("9113 6.5.2", "ENABLE_PUSH of 0", &[set(2, 0)], Must::Acknowledged(2)),
        case("9113 6.5.2", "ENABLE_PUSH of 1", &[set(2, 1)], Must::Acknowledged(2)),
        case("9113 6.5.2", "ENABLE_PUSH of 2", &[set(2, 2)], connection(PROTOCOL_ERROR)),
        case("9113 6.5.2", "an initial window of 2^31 - 1", &[set(4, 0x7fff_ffff)], Must::Acknowledged(2)),
        case("9113 6.5.2", "an initial window of 2^31", &[set(4, 0x8000_0000)], connection(FLOW_CONTROL_ERROR))
            .but(Who::Gateway, connection(PROTOCOL_ERROR), "h2 calls a setting that it can't take PROTOCOL_ERROR; the connection ends all the same"),
        case("9113 6.5.2", "a frame size under 2^14", &[set(5, 16_383)], connection(PROTOCOL_ERROR)),
        case("9113 6.5.2", "a frame size of 2^24 - 1", &[set(5, 16_777_215)], Must::Acknowledged(2)),
        case("9113 6.5.2", "a frame size of 2^24", &[set(5, 16_777_216)], connection(PROTOCOL_ERROR)),
        case("9113 6.5.2", "a header table of 0", &[set(1, 0), get(1)], served()),
        case("9113 6.5.2", "a header table of 2^32 - 1", &[set(1, u32::MAX), get(1)], served()),
        case("9113 6.5.2", "a header list of 2^32 - 1", &[set(6, u32::MAX), get(1)], served()),
        case("9113 6.5.2", "no streams of the server's", &[set(3, 0), get(1)], served()),
        case("9113 6.5.2", "an unknown setting", &[set(0x00ff, 7), set(0x0a0a, 1)], Must::Acknowledged(3)),
        case("9113 6.5.3", "each SETTINGS is acknowledged", &[set(3, 100), set(3, 50), set(4, 70_000)], Must::Acknowledged(4)),
        case("9113 6.5.3", "several values of one setting: the last holds", &[frame(SETTINGS, 0, 0, [setting(4, 0), setting(4, 65_535)].concat()), get(1)], served()),
        case("9113 6.5.3", "SETTINGS while a body is under way", &[post(1), set(3, 100), frame(DATA, END_STREAM, 1, "ab")], served()),
        case("8441 3", "ENABLE_CONNECT_PROTOCOL of a client", &[set(8, 1), get(1)], served()).or(connection(PROTOCOL_ERROR)),
    ]
}

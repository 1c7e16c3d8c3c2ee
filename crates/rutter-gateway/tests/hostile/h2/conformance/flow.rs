//! Flow control: RFC 9113 5.2, 6.9.
// tidy: a table of data

use super::super::wire::{DATA, END_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, post, setting};
use super::case::{
    Case, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Must, PROTOCOL_ERROR, Who, case,
    connection, served, stream,
};

const MOST: u32 = 0x7fff_ffff;

fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, by.to_be_bytes())
}

fn initial(window: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, setting(4, window))
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case("9113 5.2.1", "with a window of 0 there is a head and no body", &[initial(0), get(1), initial(65_535)], served()),
        case("9113 5.2.2", "a body of many windows is let through", &[post(1), frame(DATA, 0, 1, vec![b'x'; 16_000]), frame(DATA, END_STREAM, 1, vec![b'x'; 16_000])], served()),
        case("9113 6.9", "WINDOW_UPDATE by 0 on the connection", &[window(0, 0)], connection(PROTOCOL_ERROR)),
        case("9113 6.9", "WINDOW_UPDATE by 0 on a stream", &[post(1), window(1, 0)], stream(PROTOCOL_ERROR)),
        case("9113 6.9", "WINDOW_UPDATE of three bytes", &[frame(WINDOW_UPDATE, 0, 0, [0, 0, 1])], connection(FRAME_SIZE_ERROR))
            .sized_by_h2(),
        case("9113 6.9", "WINDOW_UPDATE of five bytes", &[frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 1, 0])], connection(FRAME_SIZE_ERROR))
            .sized_by_h2(),
        case("9113 6.9", "WINDOW_UPDATE on an idle stream", &[window(7, 1)], connection(PROTOCOL_ERROR)),
        case("9113 6.9", "the reserved bit of a window's growth", &[window(0, 0x8000_0001), get(1)], served())
            .but(Who::HaProxy, connection(FLOW_CONTROL_ERROR), "HAProxy 2.6 counts the reserved bit"),
        case("9113 6.9.1", "the connection's window over 2^31 - 1", &[window(0, MOST)], connection(FLOW_CONTROL_ERROR)),
        case("9113 6.9.1", "the connection's window over it in two steps", &[window(0, MOST - 70_000), window(0, 70_001)], connection(FLOW_CONTROL_ERROR)),
        case("9113 6.9.1", "a stream's window over 2^31 - 1", &[post(1), window(1, MOST)], stream(FLOW_CONTROL_ERROR)),
        case("9113 6.9.1", "a stream's window over it in two steps", &[post(1), window(1, MOST - 70_000), window(1, 70_001)], stream(FLOW_CONTROL_ERROR)),
        case("9113 6.9.1", "a window as large as can be", &[window(0, MOST - 65_535), get(1)], served()),
        case("9113 6.9.2", "a window that settings make negative and then not", &[initial(3), get(1), initial(2), initial(65_535)], served()),
        case("9113 6.9.2", "a stream's window that settings raise over 2^31 - 1", &[post(1), window(1, MOST - 65_535), initial(65_536)], connection(FLOW_CONTROL_ERROR)).or(stream(FLOW_CONTROL_ERROR))
            .but(Who::HaProxy, Must::Nothing, "HAProxy 2.6 doesn't look at streams when settings change their windows"),
        case("9113 6.9.3", "a window that opens byte by byte", &[initial(1), get(1), window(1, 1), window(1, 1), window(1, 1)], served()),
        case("9113 6.9", "many small growths", &[(0..1000).flat_map(|_| window(0, 1)).collect(), get(1)], served()).or(connection(ENHANCE_YOUR_CALM)),
    ]
}

//! Chunks: sizes, extensions, ends, trailers.
// tidy: a table of data

use super::case::Want::Broken;
use super::case::{Case, Table, chunked, kept};

/// A chunk of two bytes whose size is written like this, and the last chunk.
fn size(size: impl AsRef<[u8]>) -> Vec<u8> {
    chunked([size.as_ref(), b"\r\nab\r\n0\r\n\r\n"].concat())
}

/// All of it written.
fn raw(body: impl AsRef<[u8]>) -> Vec<u8> {
    chunked(body)
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let mut table = Table::default();
    table.class("a size with a prefix", "7.1", [
        (size("0x2"), Broken), (size("0X2"), Broken), (size("x2"), Broken), (size("\\x2"), Broken),
        (size("#2"), Broken), (size("&h2"), Broken),
    ]);
    table.class("a size with a sign", "7.1", [
        (size("+2"), Broken), (size("-2"), Broken), (size("+0"), Broken), (size("-0"), Broken),
        (size("-1"), Broken),
    ]);
    table.class("a size with marks", "7.1", [
        (size("2_0"), Broken), (size("0_2"), Broken), (size("2,0"), Broken), (size("2.0"), Broken),
        (size("2g"), Broken), (size("2h"), Broken), (size("\"2\""), Broken), (size("２"), Broken),
    ]);
    table.class("an empty size", "7.1", [
        (size(""), Broken), (size(";a=b"), Broken), (size(" "), Broken), (size("\r\n2"), Broken),
        (raw("2\r\nab\r\n\r\n0\r\n\r\n"), Broken),
    ]);
    table.class("space before a size", "7.1", [
        (size(" 2"), Broken), (size("\t2"), Broken), (size("\n2"), Broken), (size("\x0b2"), Broken),
        (raw("2\r\nab\r\n 0\r\n\r\n"), Broken),
    ]);
    table.class("space behind a size", "7.1.1", [
        (size("2 "), kept("ab")), (size("2\t"), kept("ab")), (size("2 2"), Broken), (size("2\x0b"), Broken),
        (size(b"2\xa0"), Broken), (size("2\0"), Broken),
    ]);
    table.class("a size over all bounds", "7.1", [
        (size("10000000000000002"), Broken), // 2, if 64 bits wrap
        (size("fffffffffffffffff"), Broken),
        (size("100000002"), Broken), // 2, if 32 bits wrap
        (size("ffffffffffffffff"), Broken),
        (size("8000000000000002"), Broken),
        (size("f".repeat(64)), Broken),
    ]);
    table.class("zeros before a size", "7.1", [
        (size("02"), kept("ab")), (size("0000000000000002"), kept("ab")), (size("00000000000000000002"), kept("ab")),
        (raw("2\r\nab\r\n000\r\n\r\n"), kept("ab")),
    ]);
    table.class("a size whose line ends by LF", "2.2, 7.1", [
        (raw("2\nab\r\n0\r\n\r\n"), Broken), (raw("2\r\nab\r\n0\n\r\n"), Broken), (raw("2\r\nab\n0\r\n\r\n"), Broken),
        (raw("2\nab\n0\n\n"), Broken), (raw("2 \nab\r\n0\r\n\r\n"), Broken),
    ]);
    table.class("a size whose line ends by CR", "2.2, 7.1", [
        (raw("2\rXab\r\n0\r\n\r\n"), Broken), (raw("2\rab\r\n0\r\n\r\n"), Broken), (raw("2\r\r\nab\r\n0\r\n\r\n"), Broken),
        (raw("2\r\nab\r0\r\n\r\n"), Broken), (raw("2\r\nab\r\r\n0\r\n\r\n"), Broken),
    ]);
    table.class("extensions", "7.1.1", [
        (size("2;a=b"), kept("ab")), (size("2;a"), kept("ab")), (size("2 ;a=\"b;c\""), kept("ab")),
        (size("2;"), kept("ab")), (raw("2\r\nab\r\n0;a=b\r\n\r\n"), kept("ab")),
        (size("2;a=\r"), Broken), (size("2;a \rX"), Broken), (size("2; \r \r"), Broken), (size("2;a=b\nX"), Broken), (raw("2;a\nab\r\n0\r\n\r\n"), Broken),
        (size(format!("2;{}", "a".repeat(20_000))), Broken),
        (raw("2;\nxx\r\n48\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n\r\n0\r\n\r\n"), Broken),
    ]);
    table.class("data that doesn't end with its size", "7.1", [
        (raw("2\r\nabX\r\n0\r\n\r\n"), Broken), (raw("2\r\nabcd\r\n0\r\n\r\n"), Broken), (raw("2\r\nab0\r\n\r\n"), Broken),
        (raw("3\r\nab\r\n0\r\n\r\n"), Broken), (raw("2\r\nab\n\r0\r\n\r\n"), Broken), (raw("1\r\nab\r\n0\r\n\r\n"), Broken),
    ]);
    table.class("an end that isn't one", "7.1", [
        (raw("2\r\nab\r\n0\r\n\rX"), Broken), (raw("2\r\nab\r\n0\r\n\r\r"), Broken),
        (raw("2\r\nab\r\n0\r\nX"), Broken), (raw("2\r\nab\r\n0\rX\r\n"), Broken),
    ]);
    table.class("trailers with bad names", "7.1.2, 5.1", [
        (raw("2\r\nab\r\n0\r\nA b: c\r\n\r\n"), Broken), (raw("2\r\nab\r\n0\r\nA : c\r\n\r\n"), Broken),
        (raw("2\r\nab\r\n0\r\n: c\r\n\r\n"), Broken), (raw("2\r\nab\r\n0\r\nnocolon\r\n\r\n"), Broken),
        (raw("2\r\nab\r\n0\r\nA: b\0\r\n\r\n"), Broken), (raw("2\r\nab\r\n0\r\n A: b\r\n\r\n"), Broken),
        (raw(b"2\r\nab\r\n0\r\nA\xe9: b\r\n\r\n"), Broken),
    ]);
    table.class("trailers that would be something in a head", "7.1.2; 9110 6.5.1", [
        (raw("2\r\nab\r\n0\r\nContent-Length: 50\r\n\r\n"), kept("ab")),
        (raw("2\r\nab\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), kept("ab")),
        (raw("2\r\nab\r\n0\r\nHost: other.nsl.sh\r\n\r\n"), kept("ab")),
        (raw("2\r\nab\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"), kept("ab")),
        (raw(format!("2\r\nab\r\n0\r\n{}\r\n", "A: b\r\n".repeat(200))), Broken),
        (raw(format!("2\r\nab\r\n0\r\nA: {}\r\n\r\n", "b".repeat(40_000))), Broken),
    ]);
    table.class("no last chunk", "7.1, 8", [
        (raw("2\r\nab\r\n"), Broken), (raw("2\r\nab"), Broken), (raw(""), Broken), (raw("40\r\nab"), Broken),
    ]);
    table.take()
}

//! Where a body ends: lengths and codings.
// tidy: a table of data

use super::case::Want;
use super::case::Want::{Broken, Refused};
use super::case::{BAD, Case, Table, chunked, first, get, got, kept, last, post, seen};

const CHUNKS: &str = "2\r\nab\r\n0\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    let mut table = Table::default();
    lengths(&mut table);
    codings(&mut table);
    table.take()
}

fn length(value: impl AsRef<[u8]>) -> Vec<u8> {
    post([b"Content-Length:", value.as_ref(), b"\r\n"].concat(), "abcde")
}

fn coding(value: impl AsRef<[u8]>) -> Vec<u8> {
    post([b"Transfer-Encoding:", value.as_ref(), b"\r\n"].concat(), CHUNKS)
}

#[rustfmt::skip] // One case a line.
fn lengths(table: &mut Table) {
    let te = "Transfer-Encoding: chunked\r\n";
    table.class("length beside chunks", "6.1, 6.3 (3)", [
        (post(format!("Content-Length: 6\r\n{te}"), CHUNKS), last("ab")),
        (post(format!("{te}Content-Length: 6\r\n"), CHUNKS), last("ab")),
        (post(format!("Content-Length: 0\r\n{te}"), CHUNKS), last("ab")),
        (post(format!("{te}Content-Length: 0\r\n"), CHUNKS), last("ab")),
        (post(format!("content-length: 500\r\n{te}"), CHUNKS), last("ab")),
        (post(format!("{te}CONTENT-LENGTH: 500\r\n"), CHUNKS), last("ab")),
        (post(format!("Content-Length: 2\r\n{te}Content-Length: 3\r\n"), CHUNKS), last("ab")),
        (post(format!("Content-Length: 6\r\n{te}Connection: keep-alive\r\n"), CHUNKS), last("ab")),
        (post(format!("Content-Length: +6\r\n{te}"), CHUNKS), BAD),
        (post("Content-Length: 6\r\nTransfer-Encoding: identity\r\n", CHUNKS), BAD),
        (post("Content-Length: 6\r\nTransfer-Encoding:\r\n", CHUNKS), BAD),
        (post("Transfer-Encoding: xchunked\r\nContent-Length: 6\r\n", CHUNKS), BAD),
        (post("Content-Length : 6\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BAD),
        (post("Content-Length: 6\r\nTransfer-Encoding : chunked\r\n", CHUNKS), BAD),
        (post(format!("Content-Length: 5\r\n{te}"), "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n"), last("")),
        (post(format!("{te}Content-Length: 46\r\n"), "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n"), last("")),
    ]);
    table.class("two equal lengths", "6.3 (5); 9110 8.6", [
        (post("Content-Length: 5\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")),
        (post("Content-Length: 5\r\nA: b\r\ncontent-length: 5\r\n", "abcde"), kept("abcde")),
        (post("Content-Length: 5\r\nContent-Length: 05\r\n", "abcde"), kept("abcde")),
        (post("Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")),
    ]);
    table.class("two lengths that differ", "6.3 (5)", [
        (post("Content-Length: 5\r\nContent-Length: 6\r\n", "abcde"), BAD),
        (post("Content-Length: 6\r\nContent-Length: 5\r\n", "abcde"), BAD),
        (post("Content-Length: 0\r\nContent-Length: 5\r\n", "abcde"), BAD),
        (post("Content-Length: 5\r\nContent-Length:\r\n", "abcde"), BAD),
        (post("Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 4\r\n", "abcde"), BAD),
        (post("Content-Length: 5\r\nContent-Length: -5\r\n", "abcde"), BAD),
    ]);
    table.class("a list of lengths", "6.3 (5); 9110 8.6", [
        (length(" 5, 5"), BAD), (length(" 5,5"), BAD), (length(" 5, 6"), BAD),
        (length(" 6, 5"), BAD), (length(" ,5"), BAD), (length(" 5,"), BAD), (length(" 5;5"), BAD),
    ]);
    table.class("an empty length", "9110 8.6", [
        (length(""), BAD), (length(" "), BAD), (length("\t"), BAD), (length(" \t "), BAD),
    ]);
    table.class("a length with a sign", "9110 8.6", [
        (length(" +5"), BAD), (length(" -5"), BAD), (length(" +0"), BAD), (length(" -0"), BAD),
        (length(" - 5"), BAD),
    ]);
    table.class("a length of another base", "9110 8.6", [
        (length(" 0x5"), BAD), (length(" 0X5"), BAD), (length(" 5h"), BAD), (length(" 0b101"), BAD),
        (length(" 0o5"), BAD), (length(" 5e0"), BAD), (length(" 5.0"), BAD),
    ]);
    table.class("a length with marks", "9110 8.6", [
        (length(" 5_0"), BAD), (length(" 0_5"), BAD), (length(" 5'"), BAD), (length(" \"5\""), BAD),
        (length(" 5a"), BAD), (length(" five"), BAD), (length(" ٥"), BAD), (length(" ５"), BAD),
    ]);
    table.class("space about a length", "5; 9110 5.5", [
        (length(" 5 "), kept("abcde")), (length("5"), kept("abcde")), (length("\t5\t"), kept("abcde")),
        (length("     5"), kept("abcde")), (length(" 5 5"), BAD), (length(" 5\x0b"), BAD),
        (length(" \x0c5"), BAD), (length(b" 5\xa0"), BAD), (length(b" \x855"), BAD), (length(" 5\0"), BAD),
    ]);
    table.class("leading zeros in a length", "9110 8.6", [
        (length(" 05"), kept("abcde")), (length(" 0000005"), kept("abcde")),
        (length(format!(" {}5", "0".repeat(40))), kept("abcde")),
    ]);
    table.class("a length over all bounds", "6.3; 9110 8.6", [
        (length(" 18446744073709551616"), BAD),
        (length(" 18446744073709551621"), BAD), // 5, if 64 bits wrap
        (length(" 4294967301"), Broken), // 5, if 32 bits wrap
        (length(" 99999999999999999999"), BAD),
        (length(format!(" {}", "9".repeat(100))), BAD),
        (length(" 18446744073709551615"), Refused(&[400, 413, 431])),
        (length(" 9223372036854775807"), Broken),
        (length(" 9223372036854775808"), Broken),
    ]);
    table.class("a GET with a body", "6; 9110 9.3.1", [
        (get_with("Content-Length: 5\r\n", "abcde"), Want::Kept(seen("GET", "/x", "abcde"))),
        (get_with("Transfer-Encoding: chunked\r\n", CHUNKS), Want::Kept(seen("GET", "/x", "ab"))),
        (get_with("Content-Length: 0\r\n", ""), got()),
        (get_with("Content-Length: 54\r\n", "GET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\nA: bcd\r\n\r\n"),
            Want::Kept(seen("GET", "/x", "GET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\nA: bcd\r\n\r\n"))),
        ([b"DELETE /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 5\r\n\r\nabcde".to_vec(), vec![]].concat(),
            Want::Kept(seen("DELETE", "/x", "abcde"))),
        (get_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS), Want::Last(seen("GET", "/x", "ab"))),
    ]);
}

fn get_with(lines: &str, body: &str) -> Vec<u8> {
    [get(lines), body.into()].concat()
}

#[rustfmt::skip] // One case a line.
fn codings(table: &mut Table) {
    let odd = Refused(&[400, 501]);
    table.class("two lines of codings", "6.1, 7", [
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS), odd.clone()),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKS), odd.clone()),
        (post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", CHUNKS), odd.clone()),
        (post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", CHUNKS), odd.clone()),
        (post("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", CHUNKS), odd.clone()),
        (post("Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n", CHUNKS), odd.clone()),
    ]);
    table.class("a list that begins or ends by a comma", "6.1; 9110 5.6.1", [
        (coding(" ,chunked"), odd.clone()), (coding(" chunked,"), odd.clone()),
        (coding(" , chunked"), odd.clone()), (coding(" chunked, ,"), odd.clone()), (coding(","), odd.clone()),
    ]);
    table.class("chunked isn't the last coding", "6.3 (4)", [
        (coding(" chunked, identity"), BAD), (coding(" chunked, gzip"), BAD), (coding(" gzip"), BAD),
        (coding(" identity"), BAD), (coding(" chunked;q=1"), odd.clone()), (coding(" chunked, chunked"), odd.clone()),
    ]);
    table.class("a coding like chunked", "6.1, 7", [
        (coding(" xchunked"), BAD), (coding(" chunkedx"), BAD), (coding(" chunk"), BAD), (coding(" \"chunked\""), BAD),
        (coding(" chunke d"), BAD), (coding(" c\u{127}unked"), BAD), (coding(" [chunked]"), BAD), (coding(" chunked\u{17f}"), BAD),
    ]);
    table.class("a coding with odd bytes about it", "5; 6.1", [
        (coding(" chunked\x0b"), BAD), (coding(" \x0bchunked"), BAD), (coding(" \x0cchunked"), BAD),
        (coding(" chunked\0"), BAD), (coding(b" \xa0chunked"), BAD), (coding(b" chunked\x85"), BAD),
        (coding(" chun\rked"), BAD), (coding("\r\n chunked"), BAD), (coding("\n chunked"), BAD),
        (coding("\tchunked"), kept("ab")), (coding(" chunked "), kept("ab")), (coding(" CHUNKED"), kept("ab")),
    ]);
    table.class("a coding that nobody knows", "6.1, 7", [
        (coding(" gzip, chunked"), odd.clone()), (coding(" deflate, chunked"), odd.clone()),
        (coding(" identity, chunked"), odd.clone()), (coding(" x, chunked"), odd.clone()),
        (coding(" trailers, chunked"), odd.clone()), (coding(" br"), BAD),
    ]);
    table.class("a coding in a name that isn't one", "5.1", [
        (post("Transfer-Encoding : chunked\r\n", CHUNKS), BAD),
        (post(" Transfer-Encoding: chunked\r\n", CHUNKS), BAD),
        (post("Transfer\0Encoding: chunked\r\n", CHUNKS), BAD),
        (post("Transfer-Encoding\t: chunked\r\n", CHUNKS), BAD),
        (post(b"Transfer-Encoding\xa0: chunked\r\n", CHUNKS), BAD),
    ]);
    table.class("a coding with HTTP/1.0", "6.1", [
        (first_10("Transfer-Encoding: chunked\r\n"), BAD),
        (first_10("Content-Length: 12\r\nTransfer-Encoding: chunked\r\n"), BAD),
        (first_10("Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"), BAD),
        (first_10("Transfer-Encoding: gzip\r\nConnection: keep-alive\r\n"), BAD),
    ]);
    table.class("what is right stays right", "6", [
        (chunked(CHUNKS), kept("ab")),
        (length(" 5"), kept("abcde")),
        (first("GET /x HTTP/1.1"), got()),
        (post("", ""), kept("")),
    ]);
}

fn first_10(lines: &str) -> Vec<u8> {
    format!("POST /x HTTP/1.0\r\nHost: alice.nsl.sh\r\n{lines}\r\n{CHUNKS}").into()
}

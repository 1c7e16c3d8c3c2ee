//! Heads: lines, names, values, versions, methods, bounds.
// tidy: a table of data

use super::case::Want::{self, Dropped, Kept, Refused};
use super::case::{BAD, Case, Table, first, get, got, seen};

pub(super) fn cases() -> Vec<Case> {
    let mut table = Table::default();
    lines(&mut table);
    names(&mut table);
    first_lines(&mut table);
    bounds(&mut table);
    table.take()
}

fn served(method: &str, target: &str) -> Want {
    Kept(seen(method, target, ""))
}

#[rustfmt::skip] // One case a line.
fn lines(table: &mut Table) {
    // RFC 9112 2.2: a lone LF may be taken for the end of a line. What is written is CR LF.
    table.class("a line that ends by LF", "2.2", [
        (b"GET /x HTTP/1.1\nHost: alice.nsl.sh\n\n".to_vec(), got()),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\n\r\n".to_vec(), got()),
        (b"GET /x HTTP/1.1\nHost: alice.nsl.sh\r\n\r\n".to_vec(), got()),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\nC: d\r\n\r\n".to_vec(), got()),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\n\n".to_vec(), got()),
        (b"POST /x HTTP/1.1\nHost: alice.nsl.sh\nContent-Length: 5\n\nabcde".to_vec(), Kept(seen("POST", "/x", "abcde"))),
        (b"POST /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\nContent-Length: 5\r\n\r\nabcde".to_vec(), Kept(seen("POST", "/x", "abcde"))),
        (b"POST /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), Kept(seen("POST", "/x", ""))),
    ]);
    table.class("a line that ends by CR", "2.2", [
        (b"GET /x HTTP/1.1\rHost: alice.nsl.sh\r\r".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\r\n".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\rA: b\r\n\r\n".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\r\nHost: alice.nsl.sh\r\n\r\n".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\r\n".to_vec(), BAD),
        (b"POST /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\rContent-Length: 5\r\n\r\nabcde".to_vec(), BAD),
    ]);
    table.class("CR in a value", "2.2; 9110 5.5", [
        (get("A: b\rc\r\n"), BAD), (get("A: \rb\r\n"), BAD), (get("A: b\r\r\n"), BAD), (get("A:\r b\r\n"), BAD),
        (get("A: b\rContent-Length: 5\r\n"), BAD),
    ]);
    table.class("NUL", "2.2; 9110 5.5", [
        (get("A: b\0c\r\n"), BAD), (get("A: \0\r\n"), BAD), (get("A: b\0\r\n"), BAD), (get("A\0: b\r\n"), BAD),
        (get("\0A: b\r\n"), BAD), (first("GET /x\0 HTTP/1.1"), BAD), (first("GET /\0x HTTP/1.1"), BAD),
        (first("GET\0 /x HTTP/1.1"), BAD), (first("\0GET /x HTTP/1.1"), BAD), (first("GET /x HTTP/1.1\0"), BAD),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\0\r\n\r\n".to_vec(), BAD),
    ]);
    table.class("other control bytes in a value", "9110 5.5", [
        (get("A: b\x01c\r\n"), BAD), (get("A: b\x08\r\n"), BAD), (get("A: \x1bc\r\n"), BAD), (get("A: b\x7fc\r\n"), BAD),
        (get("A: b\x0bc\r\n"), BAD), (get("A: b\x0cc\r\n"), BAD), (get("A: b\tc\r\n"), got()),
    ]);
    table.class("a folded line", "5.2", [
        (get("A: b\r\n c\r\n"), BAD), (get("A: b\r\n\tc\r\n"), BAD), (get("A:\r\n b\r\n"), BAD), (get("A: b\r\n \r\n"), BAD),
        (get("A: b\n c\r\n"), BAD), (get("Content-Length: 0\r\n 5\r\n"), BAD),
        (get("Content-Length:\r\n 5\r\n"), BAD), (get("A: b\r\n Content-Length: 5\r\n"), BAD),
    ]);
    table.class("space before a colon", "5.1", [
        (get("A : b\r\n"), BAD), (get("A\t: b\r\n"), BAD), (get("A  : b\r\n"), BAD), (get("Content-Length : 5\r\n"), BAD),
        (b"GET /x HTTP/1.1\r\nHost : alice.nsl.sh\r\n\r\n".to_vec(), BAD),
    ]);
    table.class("space before the first name", "2.2", [
        (b"GET /x HTTP/1.1\r\n Host: alice.nsl.sh\r\n\r\n".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\n\tHost: alice.nsl.sh\r\n\r\n".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\n \r\nHost: alice.nsl.sh\r\n\r\n".to_vec(), BAD),
        (b"GET /x HTTP/1.1\r\n A: b\r\nHost: alice.nsl.sh\r\n\r\n".to_vec(), BAD),
    ]);
}

#[rustfmt::skip] // One case a line.
fn names(table: &mut Table) {
    table.class("no colon", "5", [
        (get("nocolon\r\n"), BAD), (get("no colon\r\n"), BAD), (get("Content-Length\r\n"), BAD), (get("Content-Length 5\r\n"), BAD),
        (get("Content-Length=5\r\n"), BAD),
    ]);
    table.class("an empty name", "5.1", [
        (get(": b\r\n"), BAD), (get(":\r\n"), BAD), (get(" : b\r\n"), BAD), (get(": Content-Length: 5\r\n"), BAD),
        (get("::\r\n"), BAD),
    ]);
    table.class("a name that is no token", "5.1; 9110 5.6.2", [
        (get("A(b): c\r\n"), BAD), (get("A,b: c\r\n"), BAD), (get("A/b: c\r\n"), BAD), (get("A@b: c\r\n"), BAD),
        (get("A\"b: c\r\n"), BAD), (get("A[b]: c\r\n"), BAD), (get("A{b}: c\r\n"), BAD), (get("A=b: c\r\n"), BAD),
        (get("A;b: c\r\n"), BAD), (get("A\\b: c\r\n"), BAD), (get("A?b: c\r\n"), BAD), (get("A<b>: c\r\n"), BAD),
        (get("A\x01b: c\r\n"), BAD), (get("A\x7fb: c\r\n"), BAD), (get("A b: c\r\n"), BAD),
    ]);
    table.class("bytes over 0x7f in a name", "5.1; 9110 5.6.2", [
        (get("A\u{e9}: b\r\n"), BAD), (get(b"A\xe9: b\r\n"), BAD), (get(b"\x80: b\r\n"), BAD), (get(b"Content-Length\xff: 5\r\n"), BAD),
        (get(b"\xc2\xa0Content-Length: 5\r\n"), BAD), (get("\u{feff}Content-Length: 5\r\n"), BAD),
    ]);
    table.class("0x85 and 0xa0 are no space", "5.1; 9110 5.5", [
        (get(b"A\x85: b\r\n"), BAD), (get(b"A\xa0: b\r\n"), BAD), (get(b"Content-Length: \xa05\r\n"), BAD),
        (get(b"Content-Length: 5\x85\r\n"), BAD), (get(b"A: \x85b\xa0\r\n"), got()), (get(b"A:\xa0b\r\n"), got()),
    ]);
    table.class("bytes over 0x7f in a value", "9110 5.5", [
        (get(b"A: b\xe9c\r\n"), got()), (get("A: b\u{e9}c\r\n"), got()), (get(b"A: \xff\r\n"), got()),
    ]);
    table.class("odd names that are right", "5.1", [
        (get("!#$%&'*+-.^_`|~: b\r\n"), got()), (get("A_B: c\r\n"), got()), (get("Content_Length: 5\r\n"), got()), (get("A:\r\n"), got()),
        (get("A::\r\n"), got()), (get("A:b\r\n"), got()),
    ]);
}

#[rustfmt::skip] // One case a line.
fn first_lines(table: &mut Table) {
    let bad_or_unknown = Refused(&[400, 505]);
    table.class("another version", "2.3", [
        (first("GET /x HTTP/1.32"), bad_or_unknown.clone()), (first("GET /x HTTP/1.2"), bad_or_unknown.clone()),
        (first("GET /x HTTP/2.0"), bad_or_unknown.clone()), (first("GET /x HTTP/3.0"), bad_or_unknown.clone()),
        (first("GET /x HTTP/0.9"), bad_or_unknown.clone()), (first("GET /x HTTP/9.9"), bad_or_unknown.clone()),
    ]);
    table.class("a version that wraps", "2.3", [
        (first("GET /x HTTP/1.256"), bad_or_unknown.clone()), (first("GET /x HTTP/1.257"), bad_or_unknown.clone()),
        (first("GET /x HTTP/257.1"), bad_or_unknown.clone()), (first("GET /x HTTP/1.65537"), bad_or_unknown.clone()),
    ]);
    table.class("a version that isn't one", "2.3, 3", [
        (first("GET /x http/1.1"), BAD), (first("GET /x HTTP/1.1 "), BAD), (first("GET /x HTTP/1.1x"), BAD), (first("GET /x HTTP/11"), BAD),
        (first("GET /x HTTP/1."), BAD), (first("GET /x HTTP/.1"), BAD), (first("GET /x HTTP/+1.1"), BAD), (first("GET /x HTTP/01.1"), BAD),
        (first("GET /x HTTPS/1.1"), BAD), (first("GET /x HTTP/1.1\t"), BAD), (first("GET /x HTTP/1,1"), BAD), (first("GET /x ICY/1.1"), BAD),
    ]);
    table.class("a line as of HTTP/0.9", "2.3, 3", [
        (b"GET /x\r\n".to_vec(), BAD), (b"GET /x\r\n\r\n".to_vec(), BAD), (b"GET /\n".to_vec(), BAD), (first("GET /x "), BAD),
    ]);
    table.class("the preface of HTTP/2", "9113 3.4", [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Dropped), (b"PRI * HTTP/2.0\r\nHost: alice.nsl.sh\r\n\r\nSM\r\n\r\n".to_vec(), Dropped),
        (b"PRI * HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n".to_vec(), BAD),
    ]);
    table.class("a method that is no token", "3.1; 9110 9.1", [
        (first("G(T /x HTTP/1.1"), BAD), (first("GE\tT /x HTTP/1.1"), BAD), (first(" GET /x HTTP/1.1"), BAD), (first("GET: /x HTTP/1.1"), BAD),
        (first(b"G\xc9T /x HTTP/1.1"), BAD), (first("\"GET\" /x HTTP/1.1"), BAD), (first("/x HTTP/1.1"), BAD), (first("G@T /x HTTP/1.1"), BAD),
        (first("G\x01T /x HTTP/1.1"), BAD), (first("GET\x0b/x HTTP/1.1"), BAD),
    ]);
    table.class("odd methods that are right", "3.1; 9110 9.1", [
        (first("get /x HTTP/1.1"), served("get", "/x")), (first("PROPFIND /x HTTP/1.1"), served("PROPFIND", "/x")),
        (first("X!#$%&'*+-.^_`|~ /x HTTP/1.1"), served("X!#$%&'*+-.^_`|~", "/x")), (first("GETX /x HTTP/1.1"), served("GETX", "/x")),
        (first("TRACE /x HTTP/1.1"), served("TRACE", "/x")),
    ]);
    table.class("empty lines before a request", "2.2", [
        ([b"\r\n".to_vec(), get("")].concat(), got()), ([b"\r\n\r\n\r\n".to_vec(), get("")].concat(), got()),
        ([b"\n\n".to_vec(), get("")].concat(), got()), ([b"\r\n \r\n".to_vec(), get("")].concat(), BAD),
        ([b"\r\r\n".to_vec(), get("")].concat(), BAD),
    ]);
    table.class("two spaces in the first line", "3", [
        (first("GET  /x HTTP/1.1"), BAD), (first("GET /x  HTTP/1.1"), BAD), (first("GET\t/x\tHTTP/1.1"), BAD), (first("GET /x\x0cHTTP/1.1"), BAD),
        (first("GET /x\tHTTP/1.1"), BAD),
    ]);
}

#[rustfmt::skip] // One case a line.
fn bounds(table: &mut Table) {
    let too_large = Refused(&[431]);
    table.class("too many lines", "9110 15.5; 6585 5", [
        (get("A: b\r\n".repeat(100)), too_large.clone()), (get("A: b\r\n".repeat(500)), too_large.clone()),
        (get((0..120).map(|n| format!("X-{n}: 1\r\n")).collect::<String>()), too_large.clone()),
        (get("A: b\r\n".repeat(99)), got()),
    ]);
    table.class("too large a head", "6585 5", [
        (get(format!("A: {}\r\n", "b".repeat(40_000))), too_large.clone()),
        (get(format!("{}: b\r\n", "A".repeat(40_000))), Refused(&[400, 431])),
        (get(format!("A: {}\r\n", "b".repeat(300_000))), too_large.clone()),
        (get(format!("A: {0}\r\nB: {0}\r\nC: {0}\r\n", "b".repeat(12_000))), too_large.clone()),
        (get(format!("A: {}\r\n", "b".repeat(30_000))), got()),
    ]);
    table.class("a head without an end", "6585 5", [
        ([b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\n".to_vec(), b"A: b\r\n".repeat(30_000)].concat(), Refused(&[431, 400])),
        (b"GET /x HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: ".iter().copied().chain(std::iter::repeat_n(b'b', 200_000)).collect(), Refused(&[400, 431])),
        (b"GET /".iter().copied().chain(std::iter::repeat_n(b'b', 200_000)).collect(), Refused(&[400, 414, 431])),
        (std::iter::repeat_n(b'G', 200_000).collect(), Refused(&[400, 431])),
    ]);
    table.class("too long a target", "3; 9110 15.5.15", [
        (first(format!("GET /{} HTTP/1.1", "x".repeat(9_000))), Refused(&[414])),
        (first(format!("GET /?{} HTTP/1.1", "x".repeat(20_000))), Refused(&[414])),
        (first(format!("GET /{} HTTP/1.1", "x".repeat(70_000))), Refused(&[414, 431])),
        (first(format!("GET /{} HTTP/1.1", "x".repeat(8_000))), served("GET", &format!("/{}", "x".repeat(8_000)))),
    ]);
}

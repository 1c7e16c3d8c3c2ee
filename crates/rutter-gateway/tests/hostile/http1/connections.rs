//! What belongs to one connection, and what follows on it.
// tidy: a table of data

use super::case::Want::{Broken, Last, Refused};
use super::case::{BAD, Case, Table, get, got, kept, last, post, seen};

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let mut table = Table::default();
    let gone = || Last(seen("GET", "/x", ""));
    table.class("Connection names what belongs to the whole way", "9110 7.6.1", [
        (get("Connection: host\r\n"), got()), (get("Connection: Host, close\r\n"), gone()),
        (post("Connection: content-length\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")),
        (post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), kept("ab")),
        (get("Connection: x-forwarded-for\r\n"), got()), (get("Connection: cookie, authorization\r\nCookie: a=b\r\n"), got()),
        (get("Connection: via\r\n"), got()), (get("Connection: x-request-id\r\n"), got()),
    ]);
    table.class("Connection of odd tokens", "9110 7.6.1", [
        (get("Connection: close, keep-alive\r\n"), gone()), (get("Connection: keep-alive\r\nConnection: close\r\n"), gone()),
        (get("Connection: CLOSE\r\n"), gone()), (get("Connection: ,, ,\r\n"), got()), (get("Connection: a b\r\n"), got()),
        (get("Connection: \"close\"\r\n"), got()), (get("Connection:\r\n"), got()), (get(b"Connection: \xe9\r\n"), got()),
    ]);
    table.class("fields of one connection", "9110 7.6.1", [
        (get("Keep-Alive: timeout=5, max=1000\r\n"), got()), (get("Proxy-Connection: close\r\n"), got()), (get("TE: trailers\r\n"), got()),
        (get("TE: gzip, trailers;q=0.5\r\n"), got()), (get("Proxy-Authorization: Basic YTpi\r\n"), got()), (get("Trailer: Content-Length\r\n"), got()),
    ]);
    table.class("an upgrade that nobody takes", "9110 7.8; 9113 3.1", [
        (get("Connection: Upgrade\r\nUpgrade: websocket\r\n"), got()),
        (get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), got()),
        (get("Upgrade: websocket\r\n"), got()), (get("Connection: Upgrade\r\n"), got()),
        (get("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), got()),
        (post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")),
        (get("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"), got()),
    ]);
    table.class("Expect", "9110 10.1.1", [
        (post("Expect: 100-continue\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")), (get("Expect: 100-continue\r\n"), got()),
        (post("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), kept("ab")),
        (post("Expect: 200-ok\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")),
        (post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "abcde"), kept("abcde")),
        (post("Expect: 100-continue\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "abcde"), BAD),
        (post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "zz\r\nab\r\n0\r\n\r\n"), Broken),
    ]);
    table.class("one behind one that is refused", "9.3.2", [
        ([post("Content-Length: x\r\n", ""), get("")].concat(), BAD), ([get("A\0: b\r\n"), get("")].concat(), BAD),
        ([b"x\r\n\r\n".to_vec(), get("")].concat(), BAD), ([post("Content-Length: 5, 5\r\n", "abcde"), get("")].concat(), BAD),
    ]);
    table.class("one behind one that ends its connection", "9.6", [
        ([get("Connection: close\r\n"), get("")].concat(), gone()),
        ([post("Connection: close\r\nContent-Length: 5\r\n", "abcde"), get("")].concat(), last("abcde")),
        ([b"GET /x HTTP/1.0\r\nHost: alice.nsl.sh\r\n\r\n".to_vec(), get("")].concat(), gone()),
    ]);
    table.class("HTTP/1.0", "9.3, C.2.2", [
        (b"GET /x HTTP/1.0\r\nHost: alice.nsl.sh\r\nConnection: close\r\n\r\n".to_vec(), gone()),
        (b"GET /x HTTP/1.0\r\nHost: alice.nsl.sh\r\nConnection: keep-alive\r\n\r\n".to_vec(), got()),
        (b"POST /x HTTP/1.0\r\nHost: alice.nsl.sh\r\nContent-Length: 5\r\n\r\nabcde".to_vec(), last("abcde")),
        (b"POST /x HTTP/1.0\r\nHost: alice.nsl.sh\r\n\r\nabcde".to_vec(), last("")),
    ]);
    table.class("a service that nobody has", "9110 15.5.5", [
        (to("nobody.nsl.sh", "GET", "", ""), Refused(&[404])),
        (to("nobody.nsl.sh", "POST", "Content-Length: 46\r\n", "GET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n"), Refused(&[404])),
        (to("nobody.nsl.sh", "POST", "Transfer-Encoding: chunked\r\n", "zz\r\n"), Refused(&[404])),
    ]);
    table.take()
}

fn to(host: &str, method: &str, lines: &str, body: &str) -> Vec<u8> {
    format!("{method} /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n{body}").into()
}

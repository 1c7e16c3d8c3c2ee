//! Whom a request is for: hosts and targets.
// tidy: a table of data

use super::case::Want::{self, Kept, Refused};
use super::case::{BAD, Case, Table, first, got, seen};

fn hosts(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /x HTTP/1.1\r\n", lines.as_ref(), b"\r\n"].concat()
}

fn target(target: impl AsRef<[u8]>) -> Vec<u8> {
    first([b"GET ", target.as_ref(), b" HTTP/1.1"].concat())
}

fn at(target: &str) -> Want {
    Kept(seen("GET", target, ""))
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let mut table = Table::default();
    table.class("no host", "3.2", [
        (hosts(""), BAD), (hosts("A: b\r\n"), BAD), (b"GET /x HTTP/1.0\r\n\r\n".to_vec(), BAD), (hosts("X-Forwarded-Host: alice.nsl.sh\r\n"), BAD),
    ]);
    table.class("two hosts", "3.2", [
        (hosts("Host: alice.nsl.sh\r\nHost: alice.nsl.sh\r\n"), BAD), (hosts("Host: alice.nsl.sh\r\nHost: other.nsl.sh\r\n"), BAD),
        (hosts("Host: other.nsl.sh\r\nhost: alice.nsl.sh\r\n"), BAD), (hosts("Host: alice.nsl.sh\r\nHost:\r\n"), BAD),
        (hosts("Host: alice.nsl.sh\r\nHost : other.nsl.sh\r\n"), BAD), (hosts("Host: alice.nsl.sh\r\n Host: other.nsl.sh\r\n"), BAD),
    ]);
    table.class("an odd host", "3.2; 9110 7.2", [
        (hosts("Host:\r\n"), BAD), (hosts("Host: alice.nsl.sh, other.nsl.sh\r\n"), BAD), (hosts("Host: alice.nsl.sh other.nsl.sh\r\n"), BAD),
        (hosts("Host: other.nsl.sh@alice.nsl.sh\r\n"), BAD), (hosts("Host: alice.nsl.sh/x\r\n"), BAD), (hosts("Host: alice.nsl.sh?x\r\n"), BAD),
        (hosts("Host: alice.nsl.sh#x\r\n"), BAD), (hosts("Host: http://alice.nsl.sh\r\n"), BAD), (hosts("Host: alice.nsl.sh:\x0b80\r\n"), BAD),
        (hosts("Host: alice.nsl.sh:99999\r\n"), BAD), (hosts("Host: alice.nsl.sh:80:80\r\n"), BAD), (hosts("Host: alice.nsl.sh:-80\r\n"), BAD),
        (hosts("Host: alice..nsl.sh\r\n"), BAD), (hosts("Host: [alice.nsl.sh]\r\n"), BAD), (hosts(b"Host: alice.nsl.sh\xa0\r\n"), BAD),
        (hosts("Host: alice.nsl.sh\\@other.nsl.sh\r\n"), BAD), (hosts("Host: \"alice.nsl.sh\"\r\n"), BAD), (hosts("Host: alice%2ensl.sh\r\n"), BAD),
        (hosts("Host: .alice.nsl.sh\r\n"), BAD), (hosts("Host: \u{fe52}alice.nsl.sh\r\n"), BAD),
    ]);
    table.class("hosts that are right", "3.2; 9110 4.2.3, 7.2", [
        (hosts("Host: alice.nsl.sh:80\r\n"), got()), (hosts("Host:alice.nsl.sh\r\n"), got()), (hosts("Host: alice.nsl.sh. \r\n"), got()),
        (hosts("HOST:\talice.nsl.sh\t\r\n"), got()),
    ]);
    // The target's authority overrides the field (3.2.2); `other` must get nothing.
    table.class("absolute form beside another host", "3.2.2", [
        (b"GET http://alice.nsl.sh/x HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n".to_vec(), got()),
        (b"GET http://alice.nsl.sh/x HTTP/1.1\r\nHost: nobody.nsl.sh\r\n\r\n".to_vec(), got()),
        (b"GET http://nobody.nsl.sh/x HTTP/1.1\r\nHost: alice.nsl.sh\r\nConnection: close\r\n\r\n".to_vec(), Refused(&[404])),
        (target("http://alice.nsl.sh/x"), got()),
        (target("https://alice.nsl.sh/x"), got()),
        (target("HTTP://alice.nsl.sh/x"), got()),
        (target("http://alice.nsl.sh"), at("/")),
        (target("http://alice.nsl.sh?x"), BAD),
        (b"GET http://alice.nsl.sh/x HTTP/1.1\r\n\r\n".to_vec(), BAD),
        (b"GET http://alice.nsl.sh/x HTTP/1.1\r\nHost: alice.nsl.sh\r\nHost: other.nsl.sh\r\n\r\n".to_vec(), BAD),
    ]);
    table.class("an odd absolute form", "3.2.2; 3986 3.2", [
        (target("http://u@alice.nsl.sh/x"), BAD), (target("http://u:p@alice.nsl.sh/x"), BAD), (target("http://other.nsl.sh@alice.nsl.sh/x"), BAD),
        (target("http:///x"), BAD), (target("http:/x"), BAD), (target("ftp://alice.nsl.sh/x"), BAD), (target("file:///x"), BAD),
        (target("http://alice.nsl.sh:x/"), BAD), (target("javascript:x"), BAD), (target("http://alice.nsl.sh\\x"), BAD), (target("http:alice.nsl.sh"), BAD),
        (target("//other.nsl.sh/x"), at("//other.nsl.sh/x")),
    ]);
    table.class("asterisk form", "3.2.4", [
        (first("OPTIONS * HTTP/1.1"), Kept(seen("OPTIONS", "*", ""))), (first("GET * HTTP/1.1"), BAD), (first("POST * HTTP/1.1"), BAD),
        (first("OPTIONS *x HTTP/1.1"), BAD), (first("OPTIONS ** HTTP/1.1"), BAD),
        (first("OPTIONS /* HTTP/1.1"), Kept(seen("OPTIONS", "/*", ""))),
    ]);
    table.class("authority form", "3.2.3", [
        (first("CONNECT alice.nsl.sh:80 HTTP/1.1"), Refused(&[501])), (first("CONNECT other.nsl.sh:443 HTTP/1.1"), Refused(&[501])),
        (first("CONNECT / HTTP/1.1"), Refused(&[400, 501])), (target("alice.nsl.sh:80"), BAD), (target("alice.nsl.sh"), BAD),
    ]);
    table.class("a target with space", "3.2", [
        (target("/x y"), BAD), (target("/x HTTP/1.1 y"), BAD), (target("/x\ty"), BAD), (target("/x\x0by"), BAD), (target("/x \r"), BAD),
        (target("/x\u{a0}HTTP/1.1 y"), BAD), (target("/x%20y"), at("/x%20y")),
    ]);
    table.class("a target with a fragment", "3.2; 9110 7.1", [
        (target("/x#y"), at("/x")), (target("/x?a=b#c"), at("/x?a=b")), (target("/#"), at("/")), (target("#x"), BAD), (target("http://alice.nsl.sh/x#y"), at("/x")),
    ]);
    table.class("a target with odd bytes", "3.2; 3986 2", [
        (target(b"/\xe9"), BAD), (target("/\u{fc}?\u{fc}"), at("/%C3%BC?%C3%BC")), (target("/\x7f"), BAD), (target("/\x01"), BAD),
        (target("/a|b"), at("/a|b")), (target("/{a}"), at("/{a}")), (target("/%0d%0aA:b"), at("/%0d%0aA:b")), (target("/%00"), at("/%00")),
        (target("/..%2f../x"), at("/..%2f../x")), (target("/../x"), at("/../x")), (target("/%zz"), at("/%zz")), (target(""), BAD), (target("x"), BAD),
        (target("?x"), BAD), (target("\\x"), BAD), (target(b"\xef\xbc\x8fx"), BAD),
    ]);
    table.take()
}

use proptest::prelude::*;
use rutter_route::ProxyHeader::{V1, V2};

use super::{Begins, Told, begins, parse, v2_rest, write};

fn told(client: &str, to: &str) -> Told {
    Told { client: client.parse().unwrap(), to: to.parse().unwrap() }
}

#[test]
fn what_a_connection_begins_with_is_told_by_its_first_bytes() {
    let cases: [(&[u8], Begins); 11] = [
        (b"", Begins::Unclear),
        (b"P", Begins::Unclear),
        (b"PRI * HTTP/2.0", Begins::Otherwise),
        (b"POST / HTTP/1.1", Begins::Otherwise),
        (b"PROPFIND / HTTP/1.1", Begins::Otherwise),
        (b"PROXY", Begins::Unclear),
        (b"PROXY TCP4", Begins::With(V1)),
        (b"\r\n", Begins::Unclear),
        (b"\r\n\r\n\0\r\nQUIT\n", Begins::With(V2)),
        (b"\r\n\r\nGET / HTTP", Begins::Otherwise),
        (b"\x16\x03\x01", Begins::Otherwise),
    ];
    for (bytes, wanted) in cases {
        assert_eq!(begins(bytes), wanted, "{bytes:?}");
    }
}

#[test]
fn headers_of_text_are_read_or_refused() {
    let client = Some(told("192.0.2.7:4711", "198.51.100.1:443"));
    let cases = [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", Ok(client)),
        (
            "PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n",
            Ok(Some(told("[2001:db8::7]:4711", "[2001:db8::1]:443"))),
        ),
        ("PROXY UNKNOWN\r\n", Ok(None)),
        ("PROXY UNKNOWN ffff:f::1 ffff::1 1 2\r\n", Ok(None)),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", Err(())),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n", Err(())),
        ("PROXY TCP4 192.0.2.256 198.51.100.1 4711 443\r\n", Err(())),
        ("PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n", Err(())),
        ("PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n", Err(())),
        ("PROXY  TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", Err(())),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\n", Err(())),
    ];
    for (header, wanted) in cases {
        assert_eq!(parse(header.as_bytes(), V1).map_err(|_| ()), wanted, "{header:?}");
    }
}

/// A header of version 2 with these bytes behind its signature.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", [command, family].as_slice(), &length, rest].concat()
}

#[test]
fn binary_headers_are_read_or_refused() {
    let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x01, 0xbb];
    let client = Some(told("192.0.2.7:4711", "198.51.100.1:443"));
    let with_extension = [v4.as_slice(), &[0x04, 0, 2, 9, 9]].concat();
    let cases = [
        (v2(0x21, 0x11, &v4), Ok(client)),
        (v2(0x21, 0x11, &with_extension), Ok(client)),
        (v2(0x20, 0x11, &v4), Ok(None)),
        (v2(0x20, 0x00, &[]), Ok(None)),
        (v2(0x20, 0x11, &[]), Ok(None)),
        (v2(0x21, 0x00, &[]), Ok(None)),
        (v2(0x21, 0x31, &[0; 216]), Ok(None)),
        (v2(0x21, 0x31, &[0; 230]), Ok(None)),
        (v2(0x21, 0x11, &v4[..11]), Err(())),
        (v2(0x21, 0x21, &v4), Err(())),
        (v2(0x11, 0x11, &v4), Err(())),
        (v2(0x22, 0x11, &v4), Err(())),
        (v2(0x21, 0x41, &v4), Err(())),
    ];
    for (header, wanted) in cases {
        assert_eq!(parse(&header, V2).map_err(|_| ()), wanted, "{header:?}");
    }
    assert!(v2_rest(&v2(0x21, 0x11, &[0; 2048])).is_ok());
    assert!(v2_rest(&v2(0x21, 0x11, &[0; 2049])).is_err());
    assert!(v2_rest(b"\r\n").is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        client in any::<std::net::SocketAddr>(), to in any::<std::net::SocketAddr>(),
    ) {
        let plain = |a: std::net::SocketAddr| (a.ip().to_canonical(), a.port());
        for version in [V1, V2] {
            let header = write(version, Told { client, to });
            prop_assert!(begins(&header) == Begins::With(version));
            let read = parse(&header, version).unwrap().unwrap();
            prop_assert_eq!(plain(read.client), plain(client));
            prop_assert_eq!(plain(read.to), plain(to));
        }
    }

    #[test]
    fn no_bytes_break_the_reader(
        command in any::<u8>(), family in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..260),
        text in "PROXY [ -~]{0,99}\r\n",
    ) {
        // Whatever comes of it, it comes back.
        let _ = parse(&v2(command, family, &rest), V2);
        let _ = parse(text.as_bytes(), V1);
        let _ = parse(&rest, V1);
    }
}

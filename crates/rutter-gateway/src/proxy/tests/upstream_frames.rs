//! Answers of HTTP/2 that could be read in two ways, or not at all, written frame by frame.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::testing::{TestGateway, any_port, get, spec};

/// A header field, neither indexed nor compressed (RFC 7541 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0, u8::try_from(name.len()).unwrap()];
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(u8::try_from(value.len()).unwrap());
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// A frame on stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of an answer, of these fields.
fn head(fields: &[(&str, &str)], flags: u8) -> Vec<u8> {
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    // END_HEADERS.
    frame(1, flags | 4, &block)
}

/// An origin that says this to the first request on a connection.
async fn saying(frames: Vec<u8>) -> std::net::SocketAddr {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let frames = frames.clone();
            tokio::spawn(async move {
                stream.write_all(&SETTINGS).await.unwrap();
                let mut got = Vec::new();
                while !got.windows(6).any(|w| w[0] == 1 && w[2..] == [0, 0, 0, 1]) {
                    if stream.read_buf(&mut got).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                // The gateway may have closed already, by what it has read so far.
                let _gone = stream.write_all(&frames).await;
                while stream.read_buf(&mut got).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn an_answer_of_http2_with_two_meanings_reaches_no_client() {
    const END: u8 = 1;
    let ok = (":status", "200");
    let data = |text: &str| frame(0, END, text.as_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("101", head(&[(":status", "101"), ("upgrade", "websocket")], 0)),
        ("101 that ends", head(&[(":status", "101")], END)),
        ("no status", head(&[("x-a", "b")], END)),
        ("two statuses", head(&[ok, (":status", "404")], END)),
        ("no number", head(&[(":status", "2xx")], END)),
        ("a pseudo-header behind others", head(&[("x-a", "b"), ok], END)),
        ("connection", head(&[ok, ("connection", "close")], END)),
        (
            "transfer-encoding",
            [head(&[ok, ("transfer-encoding", "chunked")], 0), data("0\r\n\r\n")].concat(),
        ),
        ("keep-alive", head(&[ok, ("keep-alive", "timeout=5")], END)),
        ("upper case", head(&[ok, ("X-Upper", "1")], END)),
        ("a line's end in a value", head(&[ok, ("x-a", "b\r\nx-c: d")], END)),
        ("a line's end in a name", head(&[ok, ("x-a\r\nx-c", "d")], END)),
        ("a zero in a value", head(&[ok, ("x-a", "b\0")], END)),
        (
            "lengths that differ",
            [head(&[ok, ("content-length", "2"), ("content-length", "3")], 0), data("abc")]
                .concat(),
        ),
        ("a list of lengths", [head(&[ok, ("content-length", "2, 3")], 0), data("abc")].concat()),
        ("no length", [head(&[ok, ("content-length", "three")], 0), data("abc")].concat()),
        ("a signed length", [head(&[ok, ("content-length", "+3")], 0), data("abc")].concat()),
        ("data before a head", data("abc")),
        ("a push", frame(5, 4, &[&[0, 0, 0, 2][..], &field(":method", "GET")].concat())),
    ];
    for (case, frames) in cases {
        let origin = saying(frames).await;
        let route = spec("agent/alice", &format!("h2c://{origin}"));
        let gateway = TestGateway::alice(vec![route]).await;
        let answer = gateway.ask(&get("/")).await;
        assert_eq!(answer.status(), 502, "{case}: {}", answer.text());
        assert!(answer.header("x-c").is_none(), "{case}");
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_was_said_is_never_a_whole_one() {
    for (said, body) in [("5", "abc"), ("2", "abc")] {
        let ok = head(&[(":status", "200"), ("content-length", said)], 0);
        let origin = saying([ok, frame(0, 1, body.as_bytes())].concat()).await;
        let route = spec("agent/alice", &format!("h2c://{origin}"));
        let gateway = TestGateway::alice(vec![route]).await;
        let mut client = gateway.client().await;
        client.send(get("/")).await;
        let mut all = Vec::new();
        // Either 502, or cut before it is whole: then the connection ends, whichever way.
        while !String::from_utf8_lossy(&all).contains("502") {
            match client.stream.read_buf(&mut all).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let text = String::from_utf8_lossy(&all).to_lowercase();
        let got = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        let is_whole =
            text.starts_with("http/1.1 200") && got.len() == said.parse::<usize>().unwrap();
        assert!(!is_whole, "{said} {body}: {text}");
    }
}

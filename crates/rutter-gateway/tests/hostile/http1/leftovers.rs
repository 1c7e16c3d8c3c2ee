//! What is left of a body that nobody reads.
//!
//! A request that is answered before its body came leaves the rest of it on the wire. Who takes
//! that for the next request lets a client write requests that a proxy before the gateway believes
//! to be a body: the connection must end instead.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::case::{HOST, OTHER};
use crate::origin::{Origin, fine};
use crate::scene::{PATIENCE, Scene, config};
use crate::strict::answers;

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_an_unread_body_is_no_request() {
    let (origin, other) =
        (Origin::start(Arc::new(fine)).await, Origin::start(Arc::new(fine)).await);
    let scene = Scene::new();
    let services = [(HOST, origin.address), (OTHER, other.address)];
    scene.advertise(services.map(|(name, at)| (name.to_owned(), at)).into()).await;
    let gateway = scene.start(config()).await;
    let metrics = gateway.metrics();
    // Refused before anybody looks at the body; answered 408 while it is waited for.
    for (host, status) in [("nobody.nsl.sh", 404), (HOST, 408)] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = format!("POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nab");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut back = Vec::new();
        let talk = async {
            let mut buffer = [0; 4096];
            while !back.ends_with(b"}") {
                let n = stream.read(&mut buffer).await.unwrap();
                assert!(n > 0, "{:?}", String::from_utf8_lossy(&back));
                back.extend_from_slice(&buffer[..n]);
            }
            // The worst moment: the gateway holds the connection for idle. Or it has closed it.
            let closed = async || {
                matches!(stream.try_read(&mut [0; 1]), Ok(0) | Err(_))
                    && stream.ready(tokio::io::Interest::READABLE).await.unwrap().is_read_closed()
            };
            let looked = tokio::time::timeout(PATIENCE, async {
                while metrics.idle_connections.get() == 0 {
                    if tokio::time::timeout(Duration::from_millis(5), closed()).await == Ok(true) {
                        break;
                    }
                }
            });
            looked.await.expect("idle or closed");
            let rest = format!("GET /y HTTP/1.1\r\nHost: {OTHER}\r\nConnection: close\r\n\r\n");
            if stream.write_all(rest.as_bytes()).await.is_ok() {
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    back.extend_from_slice(&buffer[..n]);
                }
            }
        };
        tokio::time::timeout(PATIENCE, talk).await.expect("the end of the connection");
        let (answers, fault) = answers(&back, &["POST"], true);
        let statuses: Vec<u16> = answers.iter().map(|a| a.status()).collect();
        assert_eq!((statuses, fault), (vec![status], None), "{host}");
    }
    gateway.end().await;
    other.deserted().await;
    assert!(other.bytes().is_empty(), "the rest of a body became a request");
}

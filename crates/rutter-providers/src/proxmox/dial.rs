//! Trying which of a guest's addresses takes a connection.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::reach::Door;

/// How long an address may take to answer.
const DIAL: Duration = Duration::from_secs(5);

/// How long addresses that stand before one that answered have left to answer.
const EARLIER: Duration = Duration::from_millis(250);

/// Tries a door: the first of its addresses, in their order, that takes a connection. All are tried
/// at once, and once one answers those before it have [`EARLIER`] left to.
pub(super) async fn try_door(
    (door, addresses): (Door, Vec<IpAddr>),
) -> (Door, Vec<IpAddr>, Option<IpAddr>) {
    let dialed = addresses.iter().enumerate().map(|(n, address)| dial(n, *address, door.port));
    let mut dialed: FuturesUnordered<_> = dialed.collect();
    let mut first: Option<(usize, IpAddr)> = None;
    let mut until = Instant::now() + DIAL;
    while let Ok(Some(answer)) = timeout_at(until, dialed.next()).await {
        let Some(answers) = answer else { continue };
        if first.is_none() {
            until = until.min(Instant::now() + EARLIER);
        }
        first = Some(first.map_or(answers, |first| first.min(answers)));
        if first.is_some_and(|(n, _)| n == 0) {
            break;
        }
    }
    drop(dialed);
    (door, addresses, first.map(|(_, address)| address))
}

async fn dial(n: usize, address: IpAddr, port: u16) -> Option<(usize, IpAddr)> {
    TcpStream::connect((address, port)).await.is_ok().then_some((n, address))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    async fn answers(texts: &[&str], port: u16) -> Option<String> {
        let door = Door { cluster: 0, vmid: 101, port };
        let (_, _, answers) = try_door((door, addresses(texts))).await;
        answers.map(|address| address.to_string())
    }

    #[tokio::test]
    async fn the_first_address_that_takes_a_connection_is_the_one() {
        let one = TcpListener::bind(("127.0.0.2", 0)).await.unwrap();
        let port = one.local_addr().unwrap().port();
        let other = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
        let all = ["127.0.0.4", "127.0.0.2", "127.0.0.3"];
        assert_eq!(answers(&all, port).await.as_deref(), Some("127.0.0.2"));
        drop(one);
        assert_eq!(answers(&all, port).await.as_deref(), Some("127.0.0.3"));
        // Who is waited for in vain is not waited for long (RFC 5737: it is nobody's).
        let silent = ["192.0.2.1", "127.0.0.3"];
        let tried = timeout(DIAL, answers(&silent, port)).await.unwrap();
        assert_eq!(tried.as_deref(), Some("127.0.0.3"));
        drop(other);
        assert_eq!(answers(&all, port).await, None);
        assert_eq!(answers(&[], port).await, None);
    }
}

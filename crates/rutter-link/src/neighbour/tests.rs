use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::soon;
use crate::{KeyVerifier, LinkKey, PeerKey, Refusal, SharedIdentity};

/// Has what neighbours begin.
struct Door(mpsc::Sender<(PeerKey, NeighbourSession)>);

#[async_trait]
impl TakesNeighbours for Door {
    fn pulse(&self) -> Pulse {
        pulse()
    }

    fn name(&self) -> String {
        "east".into()
    }

    fn admit(&self, _: &PeerKey) -> Result<(), Refusal> {
        Ok(())
    }

    async fn session(&self, key: PeerKey, session: NeighbourSession) {
        self.0.send((key, session)).await.unwrap();
    }

    async fn next_hop(&self, key: PeerKey, ask: NextHopAsk) -> Result<NextHopAnswer, Refusal> {
        let path = vec![key.to_string(), ask.destination];
        Ok(NextHopAnswer { next_hop: "x".into(), path, reason: "ok".into() })
    }
}

fn pulse() -> Pulse {
    let ms = Duration::from_millis;
    Pulse { keepalive: ms(50), dead: Some(ms(150)) }
}

fn identity(key: &LinkKey) -> SharedIdentity {
    SharedIdentity::new(Arc::new(key.certified().unwrap()))
}

fn only(key: &LinkKey) -> KeyVerifier {
    let key = key.public().unwrap();
    KeyVerifier::new(move |shown| *shown == key)
}

struct East {
    address: String,
    sessions: mpsc::Receiver<(PeerKey, NeighbourSession)>,
    _stop: tokio_util::sync::DropGuard,
}

/// A neighbour that takes only whoever has `of`.
async fn east(key: &LinkKey, of: &LinkKey) -> East {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let (tell, sessions) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let (identity, verifier, until) = (identity(key), only(of), stop.clone());
    tokio::spawn(async move {
        serve_neighbours(socket, &identity, verifier, Arc::new(Door(tell)), until).await.unwrap();
    });
    East { address, sessions, _stop: stop.drop_guard() }
}

fn dialer(address: &str, key: &LinkKey, of: &LinkKey) -> NeighbourDialer {
    let times = (pulse(), Duration::from_secs(5));
    NeighbourDialer::new((address, "west"), &identity(key), only(of), times).unwrap()
}

#[tokio::test]
async fn neighbours_that_know_each_others_keys_speak_both_ways() {
    let [ours, theirs] = [(); 2].map(|()| LinkKey::generate().unwrap());
    let mut east = east(&theirs, &ours).await;
    let dialer = dialer(&east.address, &ours, &theirs);
    let mut west = soon(dialer.session()).await.unwrap();
    assert_eq!(west.their_name(), "east");
    let (key, mut there) = soon(east.sessions.recv()).await.unwrap();
    assert_eq!((key, there.their_name()), (ours.public().unwrap(), "west"));
    let frame = Bytes::from(vec![7; 1 << 20]);
    soon(west.sender().frame(frame.clone())).await.unwrap();
    assert_eq!(soon(there.next()).await.unwrap(), NeighbourSaid::Frame(frame));
    assert!(there.sender().ping(5));
    assert_eq!(soon(west.next()).await.unwrap(), NeighbourSaid::Ping(5));
    assert!(west.sender().pong(5));
    assert_eq!(soon(there.next()).await.unwrap(), NeighbourSaid::Pong(5));
    let answer =
        soon(dialer.next_hop(NextHopAsk { destination: "d".into(), ..Default::default() }));
    let answer = answer.await.unwrap();
    assert_eq!(answer.path, [ours.public().unwrap().to_string(), "d".to_owned()]);
    // A goodbye is told as such.
    let (ended, ()) = tokio::join!(there.next(), west.part("enough"));
    assert!(matches!(ended, Err(LinkError::Refused { why, .. }) if why == "enough"));
}

#[tokio::test]
async fn whose_key_isnt_known_has_no_session_at_either_end() {
    let [ours, theirs, other] = [(); 3].map(|()| LinkKey::generate().unwrap());
    let east = east(&theirs, &ours).await;
    let stranger = soon(dialer(&east.address, &other, &theirs).session()).await;
    assert!(matches!(stranger, Err(LinkError::Unreachable { .. })), "{stranger:?}");
    let misled = soon(dialer(&east.address, &ours, &other).session()).await.unwrap_err();
    assert!(misled.to_string().contains("isn't one that is known"), "{misled}");
}

#[tokio::test]
async fn a_neighbour_that_says_nothing_is_lost_and_one_that_isnt_read_is_not() {
    let [ours, theirs] = [(); 2].map(|()| LinkKey::generate().unwrap());
    let mut east = east(&theirs, &ours).await;
    let mut west = soon(dialer(&east.address, &ours, &theirs).session()).await.unwrap();
    let (_, mut there) = soon(east.sessions.recv()).await.unwrap();
    // Nobody reads here for longer than the patience, while the other end speaks.
    for number in 0..4 {
        assert!(west.sender().ping(number));
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    for number in 0..4 {
        assert_eq!(soon(there.next()).await.unwrap(), NeighbourSaid::Ping(number));
    }
    // Nobody drives the other end, so it says nothing any more.
    assert!(matches!(soon(there.next()).await, Err(LinkError::Unreachable { .. })));
    drop(there);
    assert!(soon(west.next()).await.is_err());
}

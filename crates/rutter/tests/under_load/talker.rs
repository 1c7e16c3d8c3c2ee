//! Somebody with a WebSocket open, who connects again when it ends and says no number twice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::scene::HOST;
use crate::support::PATIENCE;
use crate::until;

/// A connection broken off without a word (RFC 6455 7.1.5).
pub(crate) const BROKEN_OFF: u16 = 1006;
/// A close without a code.
const NO_CODE: u16 = 1005;

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// The origin at its other end.
    pub(crate) origin: String,
    pub(crate) opened: Instant,
    /// When it ended, with which code.
    pub(crate) ended: Option<(Instant, u16)>,
}

#[derive(Debug, Default)]
struct Told {
    connections: Mutex<Vec<Connection>>,
    /// The numbers that came back, in their order.
    echoes: Mutex<Vec<u64>>,
    n_sent: Mutex<u64>,
}

/// See the module's head.
pub(crate) struct Talker {
    told: Arc<Told>,
    again: UnboundedSender<()>,
    task: JoinHandle<()>,
}

impl Talker {
    pub(crate) fn start(gateway: SocketAddr) -> Self {
        let told = Arc::new(Told::default());
        let (again, wishes) = unbounded_channel();
        let task = tokio::spawn(talk(gateway, told.clone(), wishes));
        Self { told, again, task }
    }

    /// Connects anew until it is connected to that origin; which connection that is.
    pub(crate) async fn comes_to(&self, origin: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            until("a WebSocket", || self.connection(self.n_connections()).is_some()).await;
            let last = self.n_connections();
            if self.connection(last).is_some_and(|c| c.origin == origin && c.ended.is_none()) {
                return last;
            }
            assert!(Instant::now() < deadline, "no WebSocket to {origin}");
            self.again.send(()).expect("the talker lives");
            until("another WebSocket", || self.n_connections() > last).await;
        }
    }

    /// How a connection ended, and the one that came after.
    pub(crate) async fn end_of(&self, number: usize) -> (Connection, Connection) {
        until("a WebSocket after the end", || self.connection(number + 1).is_some()).await;
        let [before, after] =
            [number, number + 1].map(|n| self.connection(n).expect("it is there"));
        (before, after)
    }

    /// Ends: how many numbers were sent, and those that came back.
    pub(crate) fn stop(self) -> (u64, Vec<u64>) {
        assert!(!self.task.is_finished(), "the talker has failed");
        self.task.abort();
        let n_sent = *self.told.n_sent.lock().unwrap();
        (n_sent, self.told.echoes.lock().unwrap().clone())
    }

    fn n_connections(&self) -> usize {
        self.told.connections.lock().unwrap().len()
    }

    /// Connections are counted from 1.
    fn connection(&self, number: usize) -> Option<Connection> {
        self.told.connections.lock().unwrap().get(number.checked_sub(1)?).cloned()
    }
}

async fn talk(gateway: SocketAddr, told: Arc<Told>, mut wishes: UnboundedReceiver<()>) {
    loop {
        let mut socket = connect(gateway).await;
        let hello = timeout(PATIENCE, socket.next()).await.expect("a first word");
        let origin = match hello {
            Some(Ok(Message::Text(name))) => name.to_string(),
            other => panic!("instead of a first word: {other:?}"),
        };
        let open = Connection { origin, opened: Instant::now(), ended: None };
        told.connections.lock().unwrap().push(open);
        let code = converse(&mut socket, &told, &mut wishes).await;
        let mut connections = told.connections.lock().unwrap();
        connections.last_mut().expect("it was pushed").ended = Some((Instant::now(), code));
    }
}

/// One try: it has to be open at the first.
async fn connect(gateway: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!("ws://{HOST}/talk").into_client_request().unwrap();
    tokio_tungstenite::client_async(request, stream).await.expect("a WebSocket").0
}

/// Says numbers and hears them until the end; its code.
async fn converse(
    socket: &mut WebSocketStream<TcpStream>,
    told: &Told,
    wishes: &mut UnboundedReceiver<()>,
) -> u16 {
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let number = {
                    let mut n_sent = told.n_sent.lock().unwrap();
                    *n_sent += 1;
                    *n_sent
                };
                if socket.send(Message::text(number.to_string())).await.is_err() {
                    return BROKEN_OFF;
                }
            }
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(number))) => {
                    told.echoes.lock().unwrap().push(number.parse().unwrap());
                }
                Some(Ok(Message::Close(frame))) => return frame.map_or(NO_CODE, |f| f.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return BROKEN_OFF,
            },
            wish = wishes.recv() => {
                wish.expect("the test lives");
                // It is given up; the rest is of no interest.
                let _gone = socket.close(None).await;
                return 1000;
            }
        }
    }
}

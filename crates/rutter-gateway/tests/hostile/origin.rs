//! An origin that keeps every byte it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::strict::{self, Message};

/// What an origin does when it has a request.
pub(crate) type Script = Arc<dyn Fn(&Message) -> Reply + Send + Sync>;

/// What an origin says.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes; the connection stays.
    Keep(Vec<u8>),
    /// These bytes, and the end.
    Close(Vec<u8>),
}

/// 200 with a short body.
pub(crate) fn fine(_: &Message) -> Reply {
    Reply::Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine".to_vec())
}

/// What came by one connection.
#[derive(Debug, Default)]
struct Record {
    bytes: Vec<u8>,
    closed: bool,
}

/// An origin on a free port of loopback; it ends when dropped.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    records: Arc<Mutex<Vec<Arc<Mutex<Record>>>>>,
    changed: watch::Receiver<()>,
    task: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    /// Answers each request that is strictly one by the script; to other bytes it says nothing and
    /// closes.
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let records = Arc::new(Mutex::new(Vec::new()));
        let (tell, changed) = watch::channel(());
        let tell = Arc::new(tell);
        let kept = records.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let record = Arc::new(Mutex::new(Record::default()));
                kept.lock().unwrap().push(record.clone());
                let (script, tell) = (script.clone(), tell.clone());
                tokio::spawn(async move {
                    converse(stream, script, &record, &tell).await;
                    record.lock().unwrap().closed = true;
                    tell.send_replace(());
                });
            }
        });
        Self { address, records, changed, task }
    }

    /// Waits until everybody who connected has gone: nothing more can come then.
    pub(crate) async fn deserted(&self) {
        let all = self.records.clone();
        let deserted =
            move |()| all.lock().unwrap().iter().all(|record| record.lock().unwrap().closed);
        self.changed.clone().wait_for(|()| deserted(())).await.unwrap();
    }

    /// What came, connection by connection.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        let records = self.records.lock().unwrap();
        let all = records.iter().map(|record| record.lock().unwrap().bytes.clone());
        all.filter(|bytes| !bytes.is_empty()).collect()
    }
}

async fn converse(
    mut stream: TcpStream,
    script: Script,
    record: &Mutex<Record>,
    tell: &watch::Sender<()>,
) {
    let (mut n_answered, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => record.lock().unwrap().bytes.extend_from_slice(&buffer[..n]),
        }
        tell.send_replace(());
        let (requests, fault) = strict::requests(&record.lock().unwrap().bytes);
        if matches!(fault, Some(strict::Fault::Invalid(_))) {
            return;
        }
        for request in &requests[n_answered..] {
            n_answered += 1;
            let (bytes, close) = match script(request) {
                Reply::Keep(bytes) => (bytes, false),
                Reply::Close(bytes) => (bytes, true),
            };
            if stream.write_all(&bytes).await.is_err() || close {
                // Closed with nothing unread, so that the bytes arrive before the end does.
                let _gone = stream.shutdown().await;
                return;
            }
        }
    }
}

/// An origin that answers whatever it is asked with a gigabyte, as fast as it is taken.
pub(crate) async fn endless() -> SocketAddr {
    static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let head = stream.read(&mut head).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
                let mut sent = match head {
                    Ok(1..) => stream.write_all(answer).await,
                    _ => return,
                };
                for _ in 0..16_384 {
                    if sent.is_err() {
                        return;
                    }
                    sent = stream.write_all(&PIECE).await;
                }
            });
        }
    });
    address
}

//! One connection of HTTP/2: a beginning that is right, the bytes of a case, and what was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{
    ACK, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, frame,
    status, take,
};

/// How long an answer may take before it counts as none: long, since a test that is right never
/// waits for it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came back over a connection.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The code of the first GOAWAY that names an error, or of one that doesn't.
    pub(crate) goaway: Option<u32>,
    pub(crate) resets: BTreeMap<u32, u32>,
    pub(crate) statuses: BTreeMap<u32, u16>,
    pub(crate) ended: BTreeSet<u32>,
    pub(crate) bodies: BTreeMap<u32, Vec<u8>>,
    pub(crate) n_settings: usize,
    pub(crate) n_settings_acks: usize,
    pub(crate) pings: BTreeSet<Vec<u8>>,
    /// The stream ended, or broke.
    pub(crate) closed: bool,
}

impl Heard {
    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.ended.contains(&stream) || self.resets.contains_key(&stream)
    }

    fn note(&mut self, frame: &Frame) {
        let code = |at: usize| {
            let bytes = frame.payload.get(at..at + 4).unwrap_or(&[0xff; 4]);
            u32::from_be_bytes(bytes.try_into().unwrap())
        };
        match frame.kind {
            SETTINGS if frame.flags & ACK != 0 => self.n_settings_acks += 1,
            SETTINGS => self.n_settings += 1,
            PING if frame.flags & ACK != 0 => {
                self.pings.insert(frame.payload.clone());
            }
            // The first error counts; a graceful GOAWAY may come before it.
            GOAWAY if self.goaway.is_none_or(|code| code == 0) => self.goaway = Some(code(4)),
            RST_STREAM => {
                self.resets.insert(frame.stream, code(0));
            }
            HEADERS => {
                let status = status(&frame.payload);
                // 1xx come before the answer, trailers behind it.
                let before = self.statuses.get(&frame.stream).copied().unwrap_or(100);
                if before < 200 {
                    self.statuses.insert(frame.stream, status);
                }
            }
            DATA => {
                self.bodies.entry(frame.stream).or_default().extend_from_slice(&frame.payload);
            }
            _ => {}
        }
        if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            self.ended.insert(frame.stream);
        }
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub(crate) heard: Heard,
}

impl Client {
    /// Connects and says nothing.
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new(), heard: Heard::default() }
    }

    /// Connects, and both sides have acknowledged the other's settings.
    pub(crate) async fn begin(to: SocketAddr) -> Self {
        let mut client = Self::connect(to).await;
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, [])].concat()).await;
        client.until(|heard| heard.n_settings > 0).await;
        client.send(&frame(SETTINGS, ACK, 0, [])).await;
        client.until(|heard| heard.n_settings_acks > 0).await;
        client
    }

    /// Sends; whether the other side still takes it is seen by what is heard.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let (mut reader, mut writer) = self.stream.split();
        let (heard, buffer) = (&mut self.heard, &mut self.buffer);
        let read = async {
            let mut piece = [0; 16 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut piece).await {
                buffer.extend_from_slice(&piece[..n]);
                while let Some(frame) = take(buffer) {
                    heard.note(&frame);
                }
            }
            heard.closed = true;
            std::future::pending::<()>().await;
        };
        // Reads while it writes, lest both sides wait for each other.
        tokio::select! {
            biased;
            sent = writer.write_all(bytes) => if sent.is_err() { /* what is heard says why */ },
            () = read => {}
            () = tokio::time::sleep(PATIENCE) => {}
        }
    }

    /// Reads until it is so, or the connection is over, or nothing comes any more.
    pub(crate) async fn until(&mut self, is_so: impl Fn(&Heard) -> bool) {
        let read = async {
            let mut piece = [0; 16 * 1024];
            while !self.heard.closed && !is_so(&self.heard) {
                match self.stream.read(&mut piece).await {
                    Ok(0) | Err(_) => self.heard.closed = true,
                    Ok(n) => self.buffer.extend_from_slice(&piece[..n]),
                }
                while let Some(frame) = take(&mut self.buffer) {
                    self.heard.note(&frame);
                }
            }
        };
        if tokio::time::timeout(PATIENCE, read).await.is_err() {
            println!("nothing more came: {:?}", self.heard);
        }
    }

    /// Sends a case and reads until everything that it brings about has come: two pings are
    /// answered, the second after whatever the first let pass, and these streams are over.
    pub(crate) async fn settle(&mut self, bytes: &[u8], streams: &[u32]) {
        self.send(bytes).await;
        for n in 1..=2 {
            let ping = vec![0xa0, 0, 0, 0, 0, 0, 0, n];
            self.send(&frame(PING, 0, 0, &ping)).await;
            let is_error = |heard: &Heard| heard.goaway.is_some_and(|code| code != 0);
            self.until(|heard| {
                let over = streams.iter().all(|stream| heard.is_over(*stream));
                is_error(heard) || (over && heard.pings.contains(&ping))
            })
            .await;
        }
    }
}

//! Who is compared, and how each is started.

mod haproxy;
mod nginx;
mod rutter;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::scene::{Scene, host};
use crate::bench::process::Process;

/// How long one answer may take while somebody starts.
const ANSWER: Duration = Duration::from_secs(5);

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Contender {
    Rutter,
    Nginx,
    Haproxy,
}

impl Contender {
    pub(super) const ALL: [Self; 3] = [Self::Rutter, Self::Nginx, Self::Haproxy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rutter => "Rutter",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Starts it with the scene's table and waits until it serves the last of its hosts.
    pub(super) fn start(self, scene: &Scene, logs: bool) -> Result<Running> {
        let mut running = match self {
            Self::Rutter => rutter::start(scene, logs),
            Self::Nginx => nginx::start(scene, logs),
            Self::Haproxy => haproxy::start(scene, logs),
        }?;
        let (http, last) = (running.http, host(scene.n_routes - 1));
        running.process.until("serving its last host", || serves(http, &last))?;
        Ok(running)
    }
}

/// A proxy that serves.
pub(super) struct Running {
    pub(super) contender: Contender,
    pub(super) process: Process,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    /// Who feeds it, if somebody must.
    pub(super) feeder: Option<Process>,
}

/// Asks for the small file on a connection that stays open.
pub(super) fn ask(stream: &mut TcpStream, host: &str) -> Result<bool> {
    // In one piece: small ones wait for each other's acknowledgement.
    stream.write_all(format!("GET /small HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 2048]);
    loop {
        let n = stream.read(&mut chunk)?;
        answer.extend_from_slice(chunk.get(..n).unwrap_or_default());
        if !answer.starts_with(&b"HTTP/1.1 200"[..answer.len().min(12)]) || n == 0 {
            return Ok(false);
        }
        if answer.ends_with(b"ssssssss") {
            return Ok(true);
        }
    }
}

fn serves(address: SocketAddr, host: &str) -> bool {
    let asked = TcpStream::connect(address).map_err(anyhow::Error::from).and_then(|mut stream| {
        stream.set_read_timeout(Some(ANSWER))?;
        ask(&mut stream, host)
    });
    asked.unwrap_or(false)
}

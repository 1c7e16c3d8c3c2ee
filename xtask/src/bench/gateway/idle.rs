//! Memory that idle connections cost.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::contender::{Contender, Running, ask};
use super::scene::{Scene, host};

/// How long after the last connection's last byte a contender may tidy up.
const REST: Duration = Duration::from_secs(4);

/// What a connection has done before it is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Before {
    Nothing,
    OneRequest,
}

impl Before {
    pub(super) const ALL: [Self; 2] = [Self::Nothing, Self::OneRequest];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "which never asked",
            Self::OneRequest => "after one request",
        }
    }
}

/// Bytes a connection, of a contender that has just been started.
pub(super) fn measure(
    scene: &Scene,
    contender: Contender,
    before: Before,
    n_connections: usize,
) -> Result<f64> {
    let Running { process, http, feeder: _feeder, .. } = contender.start(scene, true)?;
    let host = host(scene.n_routes - 1);
    std::thread::sleep(REST);
    let empty = process.memory()?;
    let mut connections = Vec::with_capacity(n_connections);
    for _ in 0..n_connections {
        let mut stream = TcpStream::connect(http)?;
        if before == Before::OneRequest {
            ensure!(ask(&mut stream, &host)?, "{} doesn't answer", contender.name());
        }
        connections.push(stream);
    }
    std::thread::sleep(REST);
    let full = process.memory()?;
    for stream in &mut connections {
        // One that was closed meanwhile would cost nothing.
        stream.set_nonblocking(true)?;
        ensure!(
            stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock),
            "{} closed an idle connection",
            contender.name()
        );
    }
    Ok((full as f64 - empty as f64) / n_connections as f64)
}

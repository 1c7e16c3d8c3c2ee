//! What systemd is told, when it has started us (`Type=notify`): that we are ready, that we end,
//! and, at a hand-over, which process is the service's from now on.
//!
//! One datagram of `KEY=VALUE` lines to the socket named by `NOTIFY_SOCKET` (`sd_notify(3)`), which
//! isn't worth a library.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Everybody is answered.
pub(super) fn ready() {
    tell(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// Nobody is accepted any more.
pub(super) fn stopping() {
    tell("STOPPING=1");
}

/// Another process is the service. To be said by the one that was: systemd believes no other.
pub(super) fn main_pid(pid: u32) {
    tell(&format!("MAINPID={pid}"));
}

fn tell(what: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|s| !s.is_empty()) else { return };
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd isn't told: {what}");
    }
}

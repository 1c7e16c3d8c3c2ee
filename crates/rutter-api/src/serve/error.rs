//! Why a listener can't have its address, and what to do about it.

use std::io;
use std::net::SocketAddr;

/// A listener can't have its address. Nothing was opened.
#[derive(Debug, thiserror::Error)]
#[error("the listener `{listener}` can't have {address}: {}", advice(address, source))]
pub struct BindError {
    /// The listener's name, as in the config.
    pub listener: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl BindError {
    /// The error of that listener.
    pub fn new(listener: &'static str, address: SocketAddr, source: io::Error) -> Self {
        Self { listener, address, source }
    }
}

fn advice(address: &SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (address.ip(), address.port());
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens there. `ss -ltnp 'sport = :{port}'` shows which: stop it, or \
             give this listener another port"
        ),
        io::ErrorKind::PermissionDenied if port < 1024 => format!(
            "no permission for port {port}. Ports below 1024 need the right to bind them: \
             `setcap cap_net_bind_service=+ep` on the program, `AmbientCapabilities=\
             CAP_NET_BIND_SERVICE` in its systemd unit, or a port from 1024 up"
        ),
        io::ErrorKind::PermissionDenied => {
            "no permission: a security policy of this system forbids it".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "no interface of this machine has {ip}. `ip address` lists what it has; 0.0.0.0 means \
             all"
        ),
        _ => error.to_string(),
    }
}

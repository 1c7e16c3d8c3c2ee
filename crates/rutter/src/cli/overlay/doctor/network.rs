//! Whether the ports are free and the peers can be reached.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rutter_overlay::{OverlayConfig, Peer};

use super::Check;
use crate::cli::Global;
use crate::run::is_held;

/// How long a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn check(
    host: &OverlayConfig,
    global: &Global,
    to: &mut Vec<Check>,
) -> anyhow::Result<()> {
    let ports = [
        ("exchange", Some(host.exchange.listen)),
        ("health", host.observe.health),
        ("metrics", host.observe.metrics),
    ];
    let runs = is_held(&global.data()?)?;
    for (of, at) in ports {
        let Some(at) = at else { continue };
        to.push(match (runs, TcpListener::bind(at)) {
            (true, _) => Check::good(of, format!("a host runs here, at {at}")),
            (false, Ok(_)) => Check::good(of, format!("{at} is free")),
            (false, Err(error)) => {
                Check::failed(of, format!("{at}: {error}")).help("end what listens there")
            }
        });
    }
    let port = host.exchange.listen.port();
    let asked = std::thread::scope(|scope| {
        let ask = |peer| scope.spawn(move || reach(peer, port));
        let asked: Vec<_> = host.peers.iter().map(ask).collect();
        // A panic of the check is the command's.
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect::<Vec<_>>()
    });
    to.extend(asked);
    Ok(())
}

/// Whether a peer takes a connection. One that isn't there yet is no failure of this host's.
fn reach(peer: &Peer, port: u16) -> Check {
    let (of, at) = (format!("peer {}", peer.name), SocketAddr::new(peer.address, port));
    match TcpStream::connect_timeout(&at, PATIENCE) {
        Ok(_) => Check::good(&of, format!("{at} answers")),
        Err(error) => Check::warning(&of, format!("{at}: {error}")),
    }
}

//! What address the outside sees this host at (STUN, RFC 8489, Binding over UDP).
//!
//! The answer becomes a registered route, so a forged one would send people's traffic to a
//! stranger. Hence: a random transaction id that the answer must carry, a socket of its own for
//! each question that hears only the server asked, and two servers that must agree where two
//! answer. They are asked at once; should they differ, more are asked until two agree. One lone
//! answer is taken, since many networks let only one of the servers through.
//!
//! IPv4 comes first, as in the original agent: more clients can reach it. IPv6 is asked for where
//! IPv4 gives nothing. Bounds: [`MAX_SERVERS`] servers, [`StunConfig::timeout`] for each.

mod message;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use rutter_route::ParseError;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout, timeout_at};

use crate::AgentError;
use message::{Answer, Transaction};

/// The most servers that are asked.
const MAX_SERVERS: usize = 8;
/// The longest datagram that is looked at, in bytes: a Binding answer has well under 200.
const MAX_DATAGRAM: usize = 1500;

/// A STUN server: `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunServer(String);

impl FromStr for StunServer {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            ParseError::new("STUN server", text, "`HOST:PORT`, such as stun.cloudflare.com:3478")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        port.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(error)?;
        host.parse::<rutter_route::HostName>().map_err(|_| error())?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(error());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StunServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How this host's public address is found.
#[derive(Debug, Clone)]
pub struct StunConfig {
    /// Whom to ask, in order; the first two at once. Those past the eighth are not asked.
    pub servers: Vec<StunServer>,
    /// How long one server has to answer. Default 3 s, as in the original agent.
    pub timeout: Duration,
    /// After how long the question is sent again, doubling (RFC 8489 6.2.1). Default 500 ms.
    pub resend: Duration,
}

impl Default for StunConfig {
    /// Servers of two operators, so that one of them alone can't say what is registered.
    fn default() -> Self {
        let servers =
            ["stun.l.google.com:19302", "stun.cloudflare.com:3478", "stun1.l.google.com:19302"];
        Self {
            servers: servers.into_iter().map(|s| StunServer(s.to_owned())).collect(),
            timeout: Duration::from_secs(3),
            resend: Duration::from_millis(500),
        }
    }
}

/// What one server said, or why it said nothing.
type Heard = Result<IpAddr, String>;

/// Finds this host's public address.
///
/// # Errors
/// No server answered, or no two agreed; the text tells what each said.
pub(crate) async fn discover(config: &StunConfig) -> Result<IpAddr, AgentError> {
    if config.servers.is_empty() {
        return Err(AgentError::NoAddress("no STUN server is configured".into()));
    }
    let mut told = Vec::new();
    for family in [Family::V4, Family::V6] {
        match discover_over(config, family, &mut told).await {
            Some(Ok(address)) => return Ok(address),
            Some(Err(())) => break,
            None => {}
        }
    }
    Err(AgentError::NoAddress(told.join("; ")))
}

/// `None`: nobody answered; `Err`: those who answered don't agree.
async fn discover_over(
    config: &StunConfig,
    family: Family,
    told: &mut Vec<String>,
) -> Option<Result<IpAddr, ()>> {
    let mut heard: Vec<IpAddr> = Vec::new();
    let n = config.servers.len().min(MAX_SERVERS);
    for pair in config.servers.get(..n).unwrap_or_default().chunks(2) {
        for (server, answer) in ask_both(config, pair, family).await {
            match answer {
                Ok(address) if heard.contains(&address) => return Some(Ok(address)),
                Ok(address) => {
                    told.push(format!("{server} over {family} saw {address}"));
                    heard.push(address);
                }
                Err(why) => told.push(format!("{server} over {family}: {why}")),
            }
        }
    }
    match heard.as_slice() {
        [] => None,
        [address] => {
            tracing::debug!(%address, "only one STUN server answered, its answer is taken");
            Some(Ok(*address))
        }
        _ => {
            told.insert(0, "STUN servers disagree".into());
            Some(Err(()))
        }
    }
}

async fn ask_both<'a>(
    config: &StunConfig,
    pair: &'a [StunServer],
    family: Family,
) -> Vec<(&'a StunServer, Heard)> {
    match pair {
        [one, two] => {
            let (a, b) = tokio::join!(ask(config, one, family), ask(config, two, family));
            vec![(one, a), (two, b)]
        }
        _ => {
            let mut heard = Vec::new();
            for server in pair {
                heard.push((server, ask(config, server, family).await));
            }
            heard
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Asks one server, look-up included, within the timeout.
async fn ask(config: &StunConfig, server: &StunServer, family: Family) -> Heard {
    match timeout(config.timeout, ask_untimed(config, server, family)).await {
        Ok(heard) => heard,
        Err(_) => Err("no answer".into()),
    }
}

async fn ask_untimed(config: &StunConfig, server: &StunServer, family: Family) -> Heard {
    let found = tokio::net::lookup_host(server.0.as_str()).await;
    let mut found = found.map_err(|e| format!("its name can't be looked up ({e})"))?;
    let peer = found.find(|a| a.is_ipv4() == (family == Family::V4));
    let peer = peer.ok_or_else(|| format!("it has no {family} address"))?;
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let io = |e: std::io::Error| e.to_string();
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.map_err(io)?;
    // Connected, the system drops what comes from anyone else.
    socket.connect(peer).await.map_err(io)?;
    exchange(&socket, config.resend).await
}

/// Sends the question, again and again, until an answer to it comes; the caller bounds the time.
async fn exchange(socket: &UdpSocket, resend: Duration) -> Heard {
    let transaction = Transaction::random().map_err(|e| e.to_string())?;
    let mut wait = resend;
    loop {
        socket.send(&transaction.request()).await.map_err(|e| e.to_string())?;
        match timeout_at(Instant::now() + wait, listen(socket, &transaction)).await {
            Ok(heard) => return heard,
            Err(_) => wait = wait.saturating_mul(2),
        }
    }
}

/// Waits for the answer to this question; anything else is passed over, since a stranger's
/// datagram must not end the question either.
async fn listen(socket: &UdpSocket, transaction: &Transaction) -> Heard {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        let n = socket.recv(&mut buffer).await.map_err(|e| e.to_string())?;
        match transaction.read(buffer.get(..n).unwrap_or_default()) {
            Ok(Answer::Address(address)) if is_usable(address) => return Ok(address),
            Ok(Answer::Address(address)) => return Err(format!("it saw {address}, of no use")),
            Ok(Answer::Error(code)) => return Err(format!("it answered with error {code}")),
            Err(why) => tracing::debug!(why, "a datagram that is no answer was passed over"),
        }
    }
}

/// Whether an address can be a host's: a private one can (a server on the same network), a
/// loopback or multicast one can't.
fn is_usable(address: IpAddr) -> bool {
    let usable = !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
    match address {
        IpAddr::V4(v4) => usable && !v4.is_broadcast() && !v4.is_link_local(),
        IpAddr::V6(v6) => usable && !v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;

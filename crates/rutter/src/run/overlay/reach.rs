//! Whether packets get through the overlay, and not only the exchange's.
//!
//! ```text
//!   each `keepalive`: ask ──UDP through the overlay──▶ peer ──▶ answer
//!                      └─ silent for `dead` once it has answered: unhealthy, until it answers again
//! ```
//!
//! The exchange goes by the underlay, so it lives on where VXLAN doesn't: behind a firewall that drops
//! UDP 4789 one way, say. So each host also asks its peers at the addresses that their routes lead to,
//! at the exchange's port, and answers who asks from the overlay's network. Who speaks `rutter.v1`
//! answers, and is judged also where it never has, after [`FIRST`]. An original answers nothing, so who
//! isn't known to be Rutter is judged only once it has answered, and not any more when it has been
//! silent for [`FORGET`]: an original may stand in its place by then.
//!
//! Unhealthy is an impairment: other ways go first, and where there is none the routes stay in use.
//!
//! Bounds: an address a peer and overlay, of peers that the file lists; packets of [`LENGTH`] bytes, and
//! an answer is no longer than what asked for it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookClosed, BookHandle, Subscription};
use rutter_overlay as overlay;
use rutter_overlay::{Peer, PeerName, Speaker, Timers, Vni};
use rutter_rib::{OutletSpec, Tell};
use rutter_route::{Health, NextHop, Observer, Prefix, SourceId};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How long a peer has for its first answer: its links and ours may be new.
const FIRST: Duration = Duration::from_secs(3);

/// After so long a peer that fell silent is one that never answered.
const FORGET: Duration = Duration::from_secs(600);

/// What a packet begins with, then what it is, then a number that its answer repeats.
const MAGIC: [u8; 4] = *b"rttr";
const ASK: u8 = 1;
const ANSWER: u8 = 2;
const LENGTH: usize = 13;

/// Where a peer is in an overlay.
type Key = (Vni, SourceId);

/// Begins to ask and to answer, until `stop`.
///
/// # Errors
/// The port can't be had, or the book has ended.
pub(super) async fn start(
    speaker: Arc<Speaker>,
    book: BookHandle,
    token: u64,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let config = speaker.config();
    let port = config.exchange.listen.port();
    let sockets = Sockets {
        v4: bind(Ipv4Addr::UNSPECIFIED.into(), port)?,
        v6: bind(Ipv6Addr::UNSPECIFIED.into(), port).ok(),
    };
    let (tells, heard) = mpsc::channel(16);
    for vni in config.overlays.keys() {
        let told = book.subscribe::<Prefix>(vni.table(), OutletSpec::all("reach")).await?;
        if let Some(told) = told {
            tokio::spawn(follow(*vni, told, tells.clone()));
        }
    }
    let asker = Asker { speaker, book, token, sockets, peers: HashMap::new() };
    tokio::spawn(asker.run(heard, stop));
    Ok(())
}

fn bind(address: IpAddr, port: u16) -> std::io::Result<UdpSocket> {
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // The other socket has IPv4.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    UdpSocket::from_std(socket.into())
}

/// Tells of each peer by which address its routes lead to it, as of the last one that was told.
async fn follow(vni: Vni, mut told: Subscription<Prefix>, tells: mpsc::Sender<(Key, IpAddr)>) {
    let mut known: HashMap<SourceId, IpAddr> = HashMap::new();
    while let Some(batch) = told.next().await {
        for tell in batch.tells {
            let Tell::Advertise { routes, .. } = tell else { continue };
            for route in routes {
                let NextHop::Address(hop) = route.attributes.next_hop else { continue };
                if known.get(&route.route.source) == Some(&hop) {
                    continue;
                }
                known.insert(route.route.source.clone(), hop);
                if tells.send(((vni, route.route.source), hop)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What is known of a peer in an overlay.
#[derive(Debug)]
struct Seen {
    peer: PeerName,
    address: IpAddr,
    timers: Timers,
    since: Instant,
    asked: Option<Instant>,
    /// `None`: it never has.
    answered: Option<Instant>,
    down: bool,
}

/// What changes of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Down,
    Up,
    Unknown,
}

impl Seen {
    fn new(peer: &Peer, address: IpAddr, since: Instant) -> Self {
        let (peer, timers) = (peer.name.clone(), peer.timers);
        Self { peer, address, timers, since, asked: None, answered: None, down: false }
    }

    /// Whether it is time to ask.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.asked.is_none_or(|asked| now - asked >= self.timers.keepalive);
        if due {
            self.asked = Some(now);
        }
        due
    }

    fn answers(&mut self, now: Instant) -> Option<Turn> {
        self.answered = Some(now);
        std::mem::take(&mut self.down).then_some(Turn::Up)
    }

    /// What its silence says of a peer that is known to answer, or isn't.
    fn judge(&mut self, now: Instant, is_rutter: bool) -> Option<Turn> {
        let is_silent = match self.answered {
            Some(answered) => now - answered >= self.timers.dead,
            None => is_rutter && now - self.since >= FIRST,
        };
        let heard = self.answered.unwrap_or(self.since);
        let is_forgotten = !is_rutter && (self.answered.is_none() || now - heard >= FORGET);
        if self.down && is_forgotten {
            (self.answered, self.down) = (None, false);
            return Some(Turn::Unknown);
        }
        let falls = !self.down && is_silent && !is_forgotten;
        self.down |= falls;
        falls.then_some(Turn::Down)
    }
}

struct Sockets {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
}

impl Sockets {
    async fn receive(&self, v4: &mut [u8], v6: &mut [u8]) -> Option<([u8; LENGTH], SocketAddr)> {
        let of_v6 = async {
            match &self.v6 {
                Some(socket) => socket.recv_from(v6).await.map(|(n, from)| (v6.get(..n), from)),
                None => std::future::pending().await,
            }
        };
        let received = tokio::select! {
            received = self.v4.recv_from(v4) => received.map(|(n, from)| (v4.get(..n), from)),
            received = of_v6 => received,
        };
        match received {
            Ok((Some(packet), from)) => Some((packet.try_into().ok()?, from)),
            Ok((None, _)) => None,
            // Such as a port that was closed at the other end of an earlier packet.
            Err(error) => {
                tracing::trace!(%error, "through the overlay");
                None
            }
        }
    }

    fn send(&self, packet: &[u8], to: SocketAddr) {
        let socket = if to.is_ipv4() { Some(&self.v4) } else { self.v6.as_ref() };
        // One that can't be sent is one that isn't answered.
        if let Some(Err(error)) = socket.map(|socket| socket.try_send_to(packet, to)) {
            tracing::trace!(%error, %to, "through the overlay");
        }
    }
}

struct Asker {
    /// Whose configuration is the one in force.
    speaker: Arc<Speaker>,
    book: BookHandle,
    /// What nobody else can know.
    token: u64,
    sockets: Sockets,
    peers: HashMap<Key, Seen>,
}

impl Asker {
    async fn run(mut self, mut heard: mpsc::Receiver<(Key, IpAddr)>, stop: CancellationToken) {
        let config = self.speaker.config();
        let least = config.peers.iter().map(|peer| peer.timers.keepalive).min();
        let mut tick = tokio::time::interval(least.unwrap_or(Timers::RUTTER.keepalive));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut v4, mut v6) = ([0; 64], [0; 64]);
        loop {
            let turned = tokio::select! {
                () = stop.cancelled() => return,
                moved = heard.recv() => match moved {
                    Some((key, address)) => self.moved(key, address),
                    None => return,
                },
                _ = tick.tick() => self.ask(),
                packet = self.sockets.receive(&mut v4, &mut v6) => match packet {
                    Some((packet, from)) => self.hear(&packet, from),
                    None => continue,
                },
            };
            for (key, turn) in turned {
                if self.tell(key, turn).await.is_err() {
                    return;
                }
            }
        }
    }

    /// A peer's routes lead to another address than before.
    fn moved(&mut self, key: Key, address: IpAddr) -> Vec<(Key, Turn)> {
        let (vni, source) = &key;
        let config = self.speaker.config();
        let peer = config.peers.iter().find(|peer| peer.name.source() == *source);
        let (Some(peer), true) = (peer, self.is_within(*vni, address)) else { return Vec::new() };
        let seen = Seen::new(peer, address, Instant::now());
        let before = self.peers.insert(key.clone(), seen);
        let was_down = before.is_some_and(|before| before.down);
        was_down.then_some((key, Turn::Unknown)).into_iter().collect()
    }

    fn is_within(&self, vni: Vni, address: IpAddr) -> bool {
        let config = self.speaker.config();
        let overlay = config.overlays.get(&vni);
        let mut networks = overlay.into_iter().flat_map(|overlay| &overlay.bridge.addresses);
        networks.any(|own| own.network().contains_address(address))
    }

    fn ask(&mut self) -> Vec<(Key, Turn)> {
        let (now, port) = (Instant::now(), self.speaker.config().exchange.listen.port());
        let packet = packet(ASK, self.token);
        let lives = self.speaker.lives();
        let lives = lives.borrow();
        let mut turned = Vec::new();
        for (key, seen) in &mut self.peers {
            if seen.is_due(now) {
                self.sockets.send(&packet, SocketAddr::new(seen.address, port));
            }
            let spoken = lives.get(&seen.peer).and_then(|life| life.protocol);
            let turn = seen.judge(now, spoken == Some(overlay::Protocol::Rutter));
            turned.extend(turn.map(|turn| (key.clone(), turn)));
        }
        turned
    }

    fn hear(&mut self, heard: &[u8; LENGTH], from: SocketAddr) -> Vec<(Key, Turn)> {
        let Some((kind, token)) = read(heard) else { return Vec::new() };
        let address = from.ip();
        if kind == ASK
            && self.speaker.config().overlays.keys().any(|vni| self.is_within(*vni, address))
        {
            self.sockets.send(&packet(ANSWER, token), from);
        }
        if kind != ANSWER || token != self.token {
            return Vec::new();
        }
        let now = Instant::now();
        let of_it = self.peers.iter_mut().filter(|(_, seen)| seen.address == address);
        of_it.filter_map(|(key, seen)| Some((key.clone(), seen.answers(now)?))).collect()
    }

    /// The table hears of it, once for all routes of the peer.
    async fn tell(&self, (vni, source): Key, turn: Turn) -> Result<(), BookClosed> {
        match turn {
            Turn::Down => tracing::warn!(peer = %source, %vni, "silent through the overlay"),
            Turn::Up => tracing::info!(peer = %source, %vni, "answers through the overlay again"),
            Turn::Unknown => tracing::debug!(peer = %source, %vni, "not judged any more"),
        }
        let observer =
            Observer { name: format!("overlay/{}", self.speaker.config().node), acts: true };
        let is = match turn {
            Turn::Down => Health::Unhealthy {
                why: "it lives, and doesn't answer through the overlay".to_owned(),
                until: None,
            },
            Turn::Up => Health::Healthy,
            Turn::Unknown => Health::Unknown,
        };
        let told = self.book.apply(move |book, now| {
            let table = book.table_mut::<Prefix>(&vni.table());
            // `false`: the peer has no route any more.
            table.map(|table| table.health(now, &observer, &source, None, is))
        });
        told.await.map(drop)
    }
}

fn packet(kind: u8, token: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    packet[..4].copy_from_slice(&MAGIC);
    packet[4] = kind;
    packet[5..].copy_from_slice(&token.to_be_bytes());
    packet
}

fn read(packet: &[u8; LENGTH]) -> Option<(u8, u64)> {
    let (magic, rest) = packet.split_first_chunk::<4>()?;
    let (kind, token) = rest.split_first()?;
    (*magic == MAGIC).then_some((*kind, u64::from_be_bytes(token.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(since: Instant) -> Seen {
        let peer = "host-b".parse().unwrap();
        let (address, timers) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Timers::RUTTER);
        Seen { peer, address, timers, since, asked: None, answered: None, down: false }
    }

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        assert_eq!(read(&packet(ASK, 7)), Some((ASK, 7)));
        let mut other = packet(ANSWER, u64::MAX);
        assert_eq!(read(&other), Some((ANSWER, u64::MAX)));
        other[0] = 0;
        assert_eq!(read(&other), None);
    }

    #[test]
    fn who_never_answered_is_not_judged_and_who_did_is_by_its_silence() {
        let begin = Instant::now();
        let mut seen = seen(begin);
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(seen.judge(at(100_000), false), None);
        assert_eq!(seen.answers(at(0)), None);
        assert_eq!(seen.judge(at(899), false), None);
        assert_eq!(seen.judge(at(900), false), Some(Turn::Down));
        assert_eq!(seen.judge(at(1500), false), None, "it is told once");
        assert_eq!(seen.answers(at(2000)), Some(Turn::Up));
        assert_eq!(seen.judge(at(2900), false), Some(Turn::Down));
        let long = 2000 + 600_000;
        let forgotten = seen.judge(at(long), false);
        assert_eq!(forgotten, Some(Turn::Unknown), "an original may stand there by now");
        assert_eq!(seen.judge(at(2 * long), false), None);
    }

    #[test]
    fn who_speaks_rutter_v1_is_judged_though_it_never_answered() {
        let begin = Instant::now();
        let mut seen = seen(begin);
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(seen.judge(at(2999), true), None, "its links may be new");
        assert_eq!(seen.judge(at(3000), true), Some(Turn::Down));
        assert_eq!(seen.judge(at(1_000_000), true), None, "it isn't forgotten");
        let became_an_original = seen.judge(at(1_000_001), false);
        assert_eq!(became_an_original, Some(Turn::Unknown));
    }

    #[test]
    fn it_is_asked_each_keepalive() {
        let begin = Instant::now();
        let mut seen = seen(begin);
        let due =
            [0, 100, 299, 300, 500, 650].map(|ms| seen.is_due(begin + Duration::from_millis(ms)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}

//! An echo request and its reply (RFC 792, RFC 4443 section 4).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;

/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// Ours among other programs' requests.
const WORD: [u8; 8] = *b"rutter p";

/// What tells a question from others of this process; it comes round long after their time.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Sends one, and waits for its reply for as long as it takes.
pub(super) async fn echo(to: IpAddr) -> io::Result<()> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let socket = open(to)?;
    socket.send(&request(to.is_ipv4(), number)).await?;
    let mut packet = [0; 256];
    loop {
        let length = socket.recv(&mut packet).await?;
        if is_reply(packet.get(..length).unwrap_or_default(), to.is_ipv4(), number) {
            return Ok(());
        }
    }
}

/// A socket that speaks with that address alone.
fn open(to: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))
        .or_else(|_| Socket::new(domain, Type::RAW, Some(protocol)))?;
    socket.set_nonblocking(true)?;
    socket.connect(&SocketAddr::new(to, 0).into())?;
    // Only what both kinds of sockets have is used of it: send and receive.
    UdpSocket::from_std(socket.into())
}

/// The kernel writes the checksum of all but a raw request of IPv4, and the identifier of an
/// unprivileged one.
fn request(v4: bool, number: u16) -> Vec<u8> {
    let mut packet = vec![0; HEADER];
    packet[0] = if v4 { REQUEST_V4 } else { REQUEST_V6 };
    packet[6..].copy_from_slice(&number.to_be_bytes());
    packet.extend(WORD);
    if v4 {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Whether a packet answers that request. A raw socket of IPv4 is given the IP header too.
fn is_reply(packet: &[u8], v4: bool, number: u16) -> bool {
    let has_ip = v4 && packet.first().is_some_and(|first| first >> 4 == 4);
    let skip = if has_ip { usize::from(packet[0] & 0x0f) * 4 } else { 0 };
    let reply = if v4 { REPLY_V4 } else { REPLY_V6 };
    let Some(message) = packet.get(skip..).filter(|message| message.len() >= HEADER) else {
        return false;
    };
    message[0] == reply && message[6..HEADER] == number.to_be_bytes() && message[HEADER..] == WORD
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_known_by_its_number_with_and_without_an_ip_header() {
        let mut reply = request(true, 7);
        assert_eq!(checksum(&reply), 0, "a right checksum sums up to nothing");
        assert!(!is_reply(&reply, true, 7), "it is the request");
        reply[0] = REPLY_V4;
        assert!(is_reply(&reply, true, 7) && !is_reply(&reply, true, 8));
        let mut whole = vec![0x46; 24];
        whole.extend(&reply);
        assert!(is_reply(&whole, true, 7));
        for length in 0..whole.len() {
            assert!(!is_reply(&whole[..length], true, 7));
        }
        let mut reply = request(false, 7);
        reply[0] = REPLY_V6;
        assert!(is_reply(&reply, false, 7));
    }
}

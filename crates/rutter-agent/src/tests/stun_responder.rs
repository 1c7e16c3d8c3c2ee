//! A STUN server on loopback that answers as a test says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::{StunConfig, StunServer};

pub(crate) struct Responder {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Responder {
    /// Answers the nth request (from 0) with the datagrams that `answer` makes of it.
    pub(crate) async fn start(
        answer: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            for count in 0.. {
                let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
                for datagram in answer(&buffer[..n], count) {
                    socket.send_to(&datagram, from).await.unwrap();
                }
            }
        });
        Self { address, task }
    }

    /// Says honestly that it saw `address`.
    pub(crate) async fn honest(address: &'static str) -> Self {
        Self::start(move |request, _| vec![success(request, address.parse().unwrap())]).await
    }

    /// Never answers.
    pub(crate) async fn silent() -> Self {
        Self::start(|_, _| vec![]).await
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A configuration of these servers, with waits that a busy machine keeps.
pub(crate) fn config(responders: &[&Responder]) -> StunConfig {
    let server = |r: &&Responder| r.address.to_string().parse::<StunServer>().unwrap();
    StunConfig {
        servers: responders.iter().map(server).collect(),
        timeout: Duration::from_millis(1500),
        resend: Duration::from_millis(50),
    }
}

/// A success response to `request` with XOR-MAPPED-ADDRESS, port 4660.
pub(crate) fn success(request: &[u8], address: IpAddr) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (2, v6.octets().to_vec()),
    };
    // Cookie and transaction id are what the value is masked with (RFC 8489 14.2).
    let mask = &request[4..20];
    let mut value = vec![0, family, 0x12 ^ mask[0], 0x34 ^ mask[1]];
    value.extend(bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    message(request, 0x0101, &[(0x0020, value)])
}

/// A message with the transaction id of `request`.
pub(crate) fn message(request: &[u8], kind: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (attribute, value) in attributes {
        body.extend(attribute.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut message = kind.to_be_bytes().to_vec();
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(&request[4..20]);
    message.extend(body);
    message
}

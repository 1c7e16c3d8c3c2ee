use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use rutter_route::ProxyHeader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{connect, echo, hears, place, rest, tcp, with_header, within};
use crate::testing::{TestGateway, any_port, config, refused, until};

#[tokio::test]
async fn bytes_go_both_ways_and_each_side_may_end_its_own_half() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![tcp("agent/a", echo("a:").await)]).await;
    let mut client = connect(at).await;
    hears(&mut client, "a:").await;
    client.write_all(b"hello").await.unwrap();
    hears(&mut client, "hello").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"bye", "the other half was open still");
    let metrics = gateway.metrics();
    until("its end", || metrics.active_streams.get() == 0).await;
    assert_eq!((metrics.streams.get(), metrics.streams_without_route.get()), (1, 0));
    assert_eq!((metrics.stream_bytes_in.get(), metrics.stream_bytes_out.get()), (5, 10));
}

/// More than any buffer or pipe on the way holds.
fn much() -> Vec<u8> {
    (0..24 << 20).map(|n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

#[tokio::test]
async fn much_goes_through_whole_both_ways_at_once_and_little_between() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![tcp("agent/a", echo("").await)]).await;
    let (mut from, mut to) = connect(at).await.into_split();
    let sent = much();
    let all = sent.clone();
    let sending = tokio::spawn(async move {
        for piece in all.chunks(1 << 20) {
            to.write_all(piece).await.unwrap();
            // Small ones between the large: from splicing back to copying, and again.
            for byte in piece.iter().take(20) {
                to.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        to.shutdown().await.unwrap();
        to
    });
    let heard = rest(&mut from).await;
    let mut wanted = Vec::with_capacity(heard.len());
    for piece in sent.chunks(1 << 20) {
        wanted.extend_from_slice(piece);
        wanted.extend_from_slice(&piece[..20]);
    }
    wanted.extend_from_slice(b"bye");
    assert!(heard == wanted, "{} of {} bytes", heard.len(), wanted.len());
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_place_is_listened_at_while_there_are_routes_and_who_is_connected_stays() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    assert_eq!(TcpStream::connect(at).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    gateway.set_stream(&service, vec![tcp("agent/a", echo("a:").await)]).await;
    let mut first = connect(at).await;
    hears(&mut first, "a:").await;
    gateway.set_stream(&service, vec![tcp("agent/b", echo("b:").await)]).await;
    let mut second = connect(at).await;
    hears(&mut second, "b:").await;
    gateway.unset(&service).await;
    let gone = || async { TcpStream::connect(at).await.is_err() };
    within(async { while !gone().await {} }).await;
    for client in [&mut first, &mut second] {
        client.write_all(b"still").await.unwrap();
        hears(client, "still").await;
    }
    gateway.set_stream(&service, vec![tcp("agent/c", echo("c:").await)]).await;
    let again = || async { TcpStream::connect(at).await };
    let mut third = within(async {
        loop {
            if let Ok(stream) = again().await {
                break stream;
            }
        }
    })
    .await;
    hears(&mut third, "c:").await;
}

#[tokio::test]
async fn a_route_that_refuses_is_passed_over_and_none_left_is_a_reset() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    let (dead, alive) = (refused().await, echo("b:").await);
    gateway.set_stream(&service, vec![tcp("agent/a", dead), tcp("agent/b", alive)]).await;
    hears(&mut connect(at).await, "b:").await;
    gateway.set_stream(&service, vec![tcp("agent/a", dead)]).await;
    let mut client = connect(at).await;
    let error = within(client.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(gateway.metrics().streams_without_route.get(), 1);
}

#[tokio::test]
async fn behind_a_hole_nobody_is_asked() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    let alive = echo("b:").await;
    let mut hole = tcp("agent/a", alive);
    hole.hop = crate::routes::Hop::Hole;
    gateway.set_stream(&service, vec![hole, tcp("agent/b", alive)]).await;
    let error = within(connect(at).await.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_side_that_breaks_takes_the_other_along_by_a_reset() {
    let (service, at) = place("tcp").await;
    let server = TcpListener::bind(any_port()).await.unwrap();
    let mut gateway = TestGateway::start(config()).await;
    let route = tcp("agent/a", server.local_addr().unwrap());
    gateway.set_stream(&service, vec![route]).await;
    for client_breaks in [true, false] {
        let mut client = connect(at).await;
        let (mut upstream, _) = within(server.accept()).await.unwrap();
        client.write_all(b"x").await.unwrap();
        hears(&mut upstream, "x").await;
        let (breaks, mut hears) =
            if client_breaks { (client, upstream) } else { (upstream, client) };
        breaks.set_zero_linger().unwrap();
        drop(breaks);
        let error = within(hears.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the client broke: {client_breaks}");
    }
}

#[tokio::test]
async fn a_stream_on_which_nothing_moves_is_closed_and_one_that_talks_is_not() {
    let (service, at) = place("tcp").await;
    let mut config = config();
    config.streams.tcp_idle_timeout = Duration::from_millis(400);
    let mut gateway = TestGateway::start(config).await;
    gateway.set_stream(&service, vec![tcp("agent/a", echo("a:").await)]).await;
    let (mut silent, mut talks) = (connect(at).await, connect(at).await);
    hears(&mut talks, "a:").await;
    let metrics = gateway.metrics();
    let talking = async {
        while metrics.streams_idle.get() == 0 {
            talks.write_all(b"x").await.unwrap();
            hears(&mut talks, "x").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(talking).await;
    assert_eq!(rest(&mut silent).await, b"a:");
    talks.write_all(b"on").await.unwrap();
    hears(&mut talks, "on").await;
}

#[tokio::test]
async fn an_upstream_is_told_the_client_in_a_header_of_either_version() {
    let (service, at) = place("tcp").await;
    let mut gateway = TestGateway::start(config()).await;
    let back = echo("").await;
    for version in [ProxyHeader::V1, ProxyHeader::V2] {
        gateway.set_stream(&service, vec![with_header(tcp("agent/a", back), version)]).await;
        let mut client = connect(at).await;
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let told = crate::proxy_protocol::Told { client: client.local_addr().unwrap(), to: at };
        let header = crate::proxy_protocol::write(version, told);
        assert_eq!(rest(&mut client).await, [&header, b"hello".as_slice(), b"bye"].concat());
    }
}

#[tokio::test]
async fn one_client_has_so_many_streams_and_no_more() {
    let (service, at) = place("tcp").await;
    let mut config = config();
    config.limits.max_connections_per_client = 2;
    let mut gateway = TestGateway::start(config).await;
    gateway.set_stream(&service, vec![tcp("agent/a", echo("a:").await)]).await;
    let mut open = [connect(at).await, connect(at).await];
    for client in &mut open {
        hears(client, "a:").await;
    }
    let error = within(connect(at).await.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(gateway.metrics().connections_refused.get(), 1);
}

#[tokio::test]
async fn a_place_that_another_has_is_served_as_soon_as_it_is_free() {
    let taken = TcpListener::bind(any_port()).await.unwrap();
    let at: SocketAddr = taken.local_addr().unwrap();
    let service = format!("tcp:db@{at}").parse().unwrap();
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![tcp("agent/a", echo("a:").await)]).await;
    drop(taken);
    let mut client = within(async {
        loop {
            if let Ok(stream) = TcpStream::connect(at).await {
                break stream;
            }
        }
    })
    .await;
    hears(&mut client, "a:").await;
}

#[tokio::test]
async fn streams_go_on_through_the_drain_and_are_closed_and_counted_at_its_end() {
    let (service, at) = place("tcp").await;
    let mut config = config();
    config.limits.drain = Duration::from_millis(300);
    let mut gateway = TestGateway::start(config).await;
    gateway.set_stream(&service, vec![tcp("agent/a", echo("a:").await)]).await;
    let (mut ends, mut stays) = (connect(at).await, connect(at).await);
    hears(&mut ends, "a:").await;
    hears(&mut stays, "a:").await;
    let metrics = gateway.metrics();
    let TestGateway { server, feed, .. } = gateway;
    let down = tokio::spawn(server.shutdown(Duration::ZERO));
    within(async { while TcpStream::connect(at).await.is_ok() {} }).await;
    ends.write_all(b"late").await.unwrap();
    ends.shutdown().await.unwrap();
    assert_eq!(rest(&mut ends).await, b"latebye");
    within(down).await.unwrap();
    assert_eq!(rest(&mut stays).await, b"");
    assert_eq!(metrics.tunnels_cut.get(), 1);
    drop(feed);
}

#[tokio::test]
async fn a_successor_listens_as_soon_as_the_first_has_closed() {
    let (service, at) = place("tcp").await;
    let mut old = TestGateway::start(config()).await;
    let there = echo("a:").await;
    old.set_stream(&service, vec![tcp("agent/a", there)]).await;
    let mut stays = connect(at).await;
    hears(&mut stays, "a:").await;
    let mut new = TestGateway::start(config()).await;
    new.set_stream(&service, vec![tcp("agent/a", there)]).await;
    let TestGateway { server, feed, .. } = old;
    let metrics = new.metrics();
    let ending = tokio::spawn(server.shutdown(Duration::ZERO));
    within(async {
        while metrics.streams.get() == 0 {
            if let Ok(mut stream) = TcpStream::connect(at).await {
                hears(&mut stream, "a:").await;
            }
        }
    })
    .await;
    stays.write_all(b"on").await.unwrap();
    hears(&mut stays, "on").await;
    drop(stays);
    within(ending).await.unwrap();
    drop(feed);
}

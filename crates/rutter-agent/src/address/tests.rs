use super::*;
use crate::tests::stun_responder::{Responder, config};

const SEEN: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)));

fn nobody() -> StunConfig {
    let mut config = StunConfig::default();
    config.servers.clear();
    config
}

fn host(text: &str) -> Option<HostName> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn far_from_the_controller_this_hosts_address_is_found() {
    let responder = Responder::honest("203.0.113.5").await;
    let mut by_stun = Addresses::new(None, config(&[&responder]));
    assert_eq!(by_stun.find(false, SEEN).await.unwrap(), host("203.0.113.5"));
    by_stun.stun = nobody();
    let kept = by_stun.find(false, SEEN).await.unwrap();
    assert_eq!(kept, host("203.0.113.5"), "what was known before is kept");

    let mut given = Addresses::new(host("home.example.com"), config(&[&responder]));
    assert_eq!(given.find(false, SEEN).await.unwrap(), host("home.example.com"));
    assert_eq!(given.find(true, None).await.unwrap(), host("home.example.com"));

    let mut seen = Addresses::new(None, nobody());
    assert_eq!(seen.find(false, SEEN).await.unwrap(), host("192.0.2.9"));
    let mut unknown = Addresses::new(None, nobody());
    let error = unknown.find(false, None).await.unwrap_err();
    assert!(matches!(error, AgentError::NoAddress(_)), "{error}");
}

#[tokio::test]
async fn beside_the_controller_a_service_keeps_its_own_address() {
    let mut addresses = Addresses::new(None, nobody());
    let loopback = Some("127.0.0.1".parse().unwrap());
    assert_eq!(addresses.find(true, loopback).await.unwrap(), None);
}

use super::*;
use crate::tests::stun_responder::{Responder, config, message, success};

async fn found(responders: &[&Responder]) -> Result<String, String> {
    let found = discover(&config(responders)).await;
    found.map(|address| address.to_string()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn two_servers_that_agree_are_believed() {
    let (a, b) = (Responder::honest("203.0.113.5").await, Responder::honest("203.0.113.5").await);
    assert_eq!(found(&[&a, &b]).await.unwrap(), "203.0.113.5");
}

#[tokio::test]
async fn a_third_server_decides_between_two_that_differ() {
    let a = Responder::honest("203.0.113.5").await;
    let liar = Responder::honest("198.51.100.66").await;
    let c = Responder::honest("203.0.113.5").await;
    assert_eq!(found(&[&a, &liar, &c]).await.unwrap(), "203.0.113.5");
    assert_eq!(found(&[&liar, &a, &c]).await.unwrap(), "203.0.113.5");
}

#[tokio::test]
async fn servers_that_differ_are_not_believed() {
    let a = Responder::honest("203.0.113.5").await;
    let b = Responder::honest("198.51.100.66").await;
    let error = found(&[&a, &b]).await.unwrap_err();
    for part in ["disagree", "saw 203.0.113.5", "saw 198.51.100.66", "--address"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn one_answer_is_taken_where_the_other_server_is_silent() {
    let (a, silent) = (Responder::honest("203.0.113.5").await, Responder::silent().await);
    assert_eq!(found(&[&silent, &a]).await.unwrap(), "203.0.113.5");
    let error = found(&[&silent]).await.unwrap_err();
    assert!(error.contains("no answer") && error.contains("PUBLIC_IP"), "{error}");
}

#[tokio::test]
async fn a_spoofed_transaction_id_is_passed_over() {
    let forged = |request: &[u8]| {
        let mut forged = success(request, "198.51.100.66".parse().unwrap());
        forged[19] ^= 1;
        forged
    };
    let only_forged = Responder::start(move |request, _| vec![forged(request)]).await;
    assert!(found(&[&only_forged]).await.unwrap_err().contains("no answer"));
    let both = Responder::start(move |request, _| {
        vec![forged(request), success(request, "203.0.113.5".parse().unwrap())]
    });
    assert_eq!(found(&[&both.await]).await.unwrap(), "203.0.113.5");
}

#[tokio::test]
async fn truncated_datagrams_are_passed_over() {
    let responder = Responder::start(|request, _| {
        let whole = success(request, "203.0.113.5".parse().unwrap());
        let mut sent: Vec<_> = (0..whole.len()).map(|n| whole[..n].to_vec()).collect();
        sent.push(whole);
        sent
    });
    assert_eq!(found(&[&responder.await]).await.unwrap(), "203.0.113.5");
}

#[tokio::test]
async fn only_the_server_that_was_asked_is_heard() {
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let mut request = [0; 20];
        let (_, from) = server.recv_from(&mut request).await.unwrap();
        // With the right id: as one who can see the question but not answer from there.
        let forged = success(&request, "198.51.100.66".parse().unwrap());
        stranger.send_to(&forged, from).unwrap();
        let honest = success(&request, "203.0.113.5".parse().unwrap());
        server.send_to(&honest, from).await.unwrap();
    });
    let config =
        StunConfig { servers: vec![address.to_string().parse().unwrap()], ..StunConfig::default() };
    assert_eq!(discover(&config).await.unwrap().to_string(), "203.0.113.5");
    answering.await.unwrap();
}

#[tokio::test]
async fn a_lost_question_is_asked_again() {
    let responder = Responder::start(|request, count| match count {
        0 | 1 => vec![],
        _ => vec![success(request, "203.0.113.5".parse().unwrap())],
    });
    assert_eq!(found(&[&responder.await]).await.unwrap(), "203.0.113.5");
}

#[tokio::test]
async fn errors_and_useless_addresses_are_reasons() {
    let error = Responder::start(|request, _| {
        let realm = (0x0014, b"here".to_vec());
        vec![message(request, 0x0111, &[realm, (0x0009, vec![0, 0, 4, 1])])]
    });
    assert!(found(&[&error.await]).await.unwrap_err().contains("error 401"));
    for useless in
        ["127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1", "255.255.255.255", "fe80::1"]
    {
        let responder = Responder::honest(useless).await;
        let error = found(&[&responder]).await.unwrap_err();
        assert!(error.contains(&format!("it saw {useless}, of no use")), "{error}");
    }
}

#[tokio::test]
async fn no_more_than_eight_servers_are_asked() {
    let honest = Responder::honest("203.0.113.5").await;
    let mut config = config(&[&honest]);
    let refusing = Responder::start(|request, _| {
        vec![message(request, 0x0111, &[(0x0009, vec![0, 0, 5, 0])])]
    })
    .await;
    let refusing: StunServer = refusing.address.to_string().parse().unwrap();
    config.servers.splice(0..0, std::iter::repeat_n(refusing, MAX_SERVERS));
    assert!(discover(&config).await.is_err());
    config.servers.remove(0);
    assert!(discover(&config).await.is_ok());
    config.servers.clear();
    assert!(discover(&config).await.unwrap_err().to_string().contains("no STUN server"));
}

#[test]
fn servers_are_a_host_and_a_port() {
    for good in ["stun.example.com:3478", "192.0.2.1:1", "[2001:db8::1]:3478"] {
        assert_eq!(good.parse::<StunServer>().unwrap().to_string(), good);
    }
    for bad in ["", "stun.example.com", "a:0", "a:b", "2001:db8::1:3478", ":3478", "a b:1"] {
        assert!(bad.parse::<StunServer>().is_err(), "{bad}");
    }
}

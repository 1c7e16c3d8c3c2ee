//! A source over a link.

use rutter_rib::Batch;
use rutter_route::*;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::testing::*;
use crate::*;

fn says(source: &str, services: &[&str]) -> SourceUpdate {
    let by = "agent/alice".parse().unwrap();
    let route = |name: &&str| {
        let path = "http 10.0.0.1:80".parse().unwrap();
        (name.parse().unwrap(), path, Attributes::via("http://10.0.0.1:80".parse().unwrap()))
    };
    SourceUpdate::services(table("services"), source.into(), &by, services.iter().map(route))
}

async fn hears(said: &mut UnboundedReceiver<Said>) -> SourceUpdate {
    match soon(said.recv()).await.unwrap() {
        Said::Heard(update) => update,
        ended => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn what_a_source_says_is_heard_renewed_and_said_again_to_who_comes_after() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, mut said) = Gate::new(book);
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "agent/alice");
    let mut announcer = Announcer::start(dialer(accepting.address, &ca, &key), eager());
    announcer.say(says("agent", &["web.localhost"])).unwrap();
    match soon(announcer.next()).await.unwrap() {
        Answered::Up { you_are, address, domain, .. } => {
            let told = (you_are.as_str(), address.as_str(), domain.as_str());
            assert_eq!(told, ("agent/alice", "127.0.0.1", "alice.localhost"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(hears(&mut said).await, says("agent", &["web.localhost"]));
    match soon(announcer.next()).await.unwrap() {
        Answered::Report { what: Ok(report), .. } => assert!(report.renew.is_some()),
        other => panic!("{other:?}"),
    }
    // Nothing changed, and it is said again before the lease ends.
    assert_eq!(hears(&mut said).await, says("agent", &["web.localhost"]));
    announcer.say(says("agent", &["web.localhost", "api.localhost"])).unwrap();
    while hears(&mut said).await != says("agent", &["web.localhost", "api.localhost"]) {}
    let address = accepting.address;
    accepting.end().await;
    while !matches!(soon(said.recv()).await.unwrap(), Said::Ended { goodbye: false }) {}
    let accepting = Accepting::start(address, &ca, gate);
    loop {
        match soon(said.recv()).await.unwrap() {
            Said::Heard(update) => {
                break assert_eq!(update, says("agent", &["web.localhost", "api.localhost"]));
            }
            // The dialer may have found the old accepter once more, on its way out.
            Said::Ended { goodbye } => assert!(!goodbye),
        }
    }
    soon(announcer.goodbye()).await;
    loop {
        match soon(said.recv()).await.unwrap() {
            Said::Heard(_) => {}
            Said::Ended { goodbye } => break assert!(goodbye),
        }
    }
    accepting.end().await;
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_the_session_goes_on() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, mut said) = Gate::new(book);
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let key = LinkKey::generate().unwrap();
    gate.let_in(key.public().unwrap(), "agent/alice");
    let mut announcer = Announcer::start(dialer(accepting.address, &ca, &key), eager());
    announcer.say(says("nobody", &["web.localhost"])).unwrap();
    hears(&mut said).await;
    loop {
        match soon(announcer.next()).await.unwrap() {
            Answered::Up { .. } | Answered::Map { .. } | Answered::Ping { .. } => {}
            Answered::Report { source, what, .. } => {
                let refusal = what.unwrap_err();
                assert_eq!((source.as_str(), refusal.code), ("nobody", RefusalCode::Invalid));
                break;
            }
            Answered::Lost { why, .. } => panic!("{why}"),
        }
    }
    announcer.say(says("agent", &["web.localhost"])).unwrap();
    assert_eq!(hears(&mut said).await.source, "agent");
    accepting.end().await;
}

#[tokio::test]
async fn a_source_says_all_that_it_has_and_there_are_not_too_many() {
    let ca = Authority::new();
    let key = LinkKey::generate().unwrap();
    let announcer = Announcer::start(dialer(anywhere(), &ca, &key), eager());
    let mut half = says("agent", &[]);
    half.batch = AnyBatch::Service(Batch {
        tells: vec![],
        begin_snapshot: true,
        end_of_snapshot: false,
        more: false,
    });
    assert_eq!(announcer.say(half).unwrap_err().code, RefusalCode::Invalid);
    for n in 0..MAX_SOURCES {
        announcer.say(says(&n.to_string(), &[])).unwrap();
    }
    announcer.say(says("0", &["web.localhost"])).unwrap();
    assert_eq!(announcer.say(says("more", &[])).unwrap_err().code, RefusalCode::Bound);
}

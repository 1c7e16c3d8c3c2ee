//! All cases at once against one gateway, then the judgement.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::case::{Case, HOST, OTHER, Seen, Want, seen};
use crate::access::AccessLog;
use crate::origin::{Origin, fine};
use crate::scene::{Scene, config, exchange};
use crate::strict::{Fault, Message, answers, requests};

/// How many cases are under way at once.
const AT_ONCE: usize = 64;

/// A case that was sent.
struct Sent {
    case: Case,
    origin: Origin,
    /// Everything that the client got.
    back: Vec<u8>,
}

pub(crate) async fn all_of(cases: Vec<Case>) {
    let scene = Scene::new();
    let bystander = Origin::start(Arc::new(fine)).await;
    let mut services = vec![(OTHER.to_owned(), bystander.address)];
    let mut waiting = Vec::new();
    for (n, case) in cases.into_iter().enumerate() {
        let origin = Origin::start(Arc::new(fine)).await;
        let host = format!("c{n:04}.nsl.sh");
        services.push((host.clone(), origin.address));
        waiting.push((case, origin, host));
    }
    scene.advertise(services).await;
    let mut config = config();
    let log = AccessLog::kept_by(&mut config);
    let gateway = scene.start(config).await;
    let (address, mut sending, mut done) = (gateway.address, JoinSet::new(), Vec::new());
    while !waiting.is_empty() || !sending.is_empty() {
        while sending.len() < AT_ONCE
            && let Some((case, origin, host)) = waiting.pop()
        {
            sending.spawn(async move {
                let back = exchange(address, &with_one_behind(&case.bytes, &host)).await;
                Sent { case, origin, back }
            });
        }
        done.push(sending.join_next().await.unwrap().unwrap());
    }
    let counted = gateway.metrics().answers[1].get();
    // With the gateway its upstream connections end: nothing can come late.
    gateway.end().await;
    let mut wrong = Vec::new();
    for sent in &done {
        sent.origin.deserted().await;
        if let Err(why) = judge(sent) {
            wrong.push(told(sent, &why));
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), done.len(), wrong.join("\n"));
    bystander.deserted().await;
    log.must_agree_with(done.iter().flat_map(|sent| sent.origin.bytes()));
    let at_origins: usize =
        done.iter().map(|sent| at_the_origin(&sent.origin).map_or(0, |(all, _)| all.len())).sum();
    assert_eq!(counted, at_origins as u64, "the gateway counts other answers than origins gave");
    assert!(bystander.bytes().is_empty(), "another service got {:?}", bystander.bytes());
}

/// The case's bytes for a service of its own, and a valid request behind them.
fn with_one_behind(bytes: &[u8], host: &str) -> Vec<u8> {
    let behind = b"GET /behind HTTP/1.1\r\nHost: alice.nsl.sh\r\nConnection: close\r\n\r\n";
    let mut all = [bytes, behind].concat();
    let mut at = 0;
    while let Some(found) = all[at..].windows(HOST.len()).position(|w| w == HOST.as_bytes()) {
        at += found;
        all[at..at + HOST.len()].copy_from_slice(host.as_bytes());
    }
    all
}

fn told(sent: &Sent, why: &str) -> String {
    let Case { class, section, bytes, want } = &sent.case;
    let shown = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).escape_debug().to_string()
    };
    let got: Vec<String> = sent.origin.bytes().iter().map(|b| shown(b)).collect();
    format!(
        "[{class}, {section}] {why}\n  sent:   {}\n  want:   {want:?}\n  origin: {got:?}\n  client: {}",
        shown(bytes),
        shown(&sent.back)
    )
}

/// What the origin got, as the strictest reader takes it, and whether there is a rest that is the
/// beginning of another request.
fn at_the_origin(origin: &Origin) -> Result<(Vec<Message>, bool), String> {
    let (mut all, mut begun) = (Vec::new(), false);
    for bytes in origin.bytes() {
        let (requests, fault) = requests(&bytes);
        match fault {
            None => {}
            Some(Fault::Incomplete) => begun = true,
            Some(fault) => return Err(format!("LEAKED to the origin, {fault}")),
        }
        all.extend(requests);
    }
    Ok((all, begun))
}

fn judge(sent: &Sent) -> Result<(), String> {
    let (requests, begun) = at_the_origin(&sent.origin)?;
    let reached: Vec<Seen> = requests.iter().map(as_seen).collect();
    let methods: Vec<&str> = match &sent.case.want {
        Want::Last(seen) | Want::Kept(seen) => vec![&seen.method],
        _ => vec![],
    };
    let (answers, fault) = answers(&sent.back, &methods, true);
    if let Some(fault) = fault {
        return Err(format!("the client's answers: {fault}"));
    }
    let finals: Vec<&Message> = answers.iter().filter(|a| a.status() >= 200).collect();
    let statuses: Vec<u16> = finals.iter().map(|a| a.status()).collect();
    let served: Vec<_> = finals.iter().filter(|a| a.status() == 200).copied().collect();
    let ids = |messages: &[&Message]| -> Vec<Option<String>> {
        messages.iter().map(|m| m.field("x-request-id")).collect()
    };
    if ids(&served) != ids(&requests.iter().collect::<Vec<_>>()) {
        return Err("the client was told of other requests than the origin got".to_owned());
    }
    let behind = seen("GET", "/behind", "");
    let expect = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("{what}; answers {statuses:?}")) }
    };
    let untouched = reached.is_empty() && !begun;
    let says_close = finals.last().is_none_or(|a| says_close(a));
    match &sent.case.want {
        Want::Refused(any_of) => {
            expect(untouched, "the origin got something")?;
            expect(says_close, "the answer doesn't say that the connection closes")?;
            expect(statuses.len() == 1 && any_of.contains(&statuses[0]), "the status")
        }
        Want::Dropped => {
            expect(untouched, "the origin got something")?;
            expect(statuses.len() <= 1 && statuses.iter().all(|s| *s >= 400), "the status")
        }
        Want::Broken => {
            expect(reached.is_empty(), "the origin got a whole request")?;
            expect(statuses.len() <= 1 && statuses.iter().all(|s| *s >= 400), "the status")
        }
        Want::Last(seen) => {
            expect(!begun && reached == [seen.clone()], "the origin got something else")?;
            expect(says_close, "the answer doesn't say that the connection closes")?;
            expect(statuses == [200], "the status")
        }
        Want::Kept(seen) => {
            expect(!begun && reached == [seen.clone(), behind], "the origin got something else")?;
            expect(statuses == [200, 200], "the status")
        }
    }
}

/// That the connection ends; HTTP/1.0 says so by saying nothing.
fn says_close(answer: &Message) -> bool {
    let said = answer.all("connection");
    said.iter().any(|value| value.eq_ignore_ascii_case("close"))
        || (said.is_empty() && answer.start.starts_with("HTTP/1.0"))
}

fn as_seen(request: &Message) -> Seen {
    let (method, target) = request.method_and_target();
    Seen { method: method.to_owned(), target: target.to_owned(), body: request.body.clone() }
}

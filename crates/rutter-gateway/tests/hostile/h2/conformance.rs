//! Conformance with RFC 9113 and 7541, case by case.
//!
//! A case is bytes, the section that rules them, and every outcome that the section permits. The
//! RFC often leaves a choice: an endpoint may end the connection wherever it may end a stream
//! (9113 5.4.1), with the same code, and should, but need not, say GOAWAY first. So an error of a
//! stream is also met by one of the connection, and either by a connection that just closes.
//!
//! **Who is asked.** The gateway, always. And HAProxy, where it is installed: a program that others
//! trust passes the table as well, so the table is right. Where one of the two does something else
//! than the RFC permits, the case says what, and why ([`Case::but`]); what is said there must hold
//! too, so that a difference that ends is noticed.

mod case;
mod fields;
mod flow;
mod frames;
mod messages;
mod reference;
mod settings;
mod streams;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use self::case::{Begin, Case, Must, Who};
use super::client::{Client, Heard};
use super::wire::HOST;
use crate::origin::{Origin, fine};
use crate::scene::{Scene, config};

fn all() -> Vec<Case> {
    let tables = [
        frames::cases(),
        streams::cases(),
        settings::cases(),
        flow::cases(),
        fields::cases(),
        messages::cases(),
    ];
    tables.into_iter().flatten().collect()
}

#[test]
fn there_are_120_cases_of_all_parts_of_the_rfcs() {
    let cases = all();
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        let rfc_and_chapter = case.section.find('.').map_or(case.section, |at| &case.section[..at]);
        *parts.entry(rfc_and_chapter).or_default() += 1;
    }
    println!("{} cases: {parts:?}", cases.len());
    assert!(cases.len() >= 120, "{}", cases.len());
    assert!(parts.len() >= 8, "{parts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_conforms_to_rfc_9113_and_7541() {
    let origin = Origin::start(Arc::new(fine)).await;
    let scene = Scene::new();
    scene.advertise(vec![(HOST.to_owned(), origin.address)]).await;
    let mut config = config();
    config.listeners[0].h2c = true;
    let gateway = scene.start(config).await;
    run(gateway.address, Who::Gateway).await;
    gateway.end().await;
}

/// The table against the reference, which shows that the table is right. Needs HAProxy, which
/// `cargo xtask test` installs; without it nothing is shown, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn haproxy_conforms_to_the_same_table() {
    let origin = Origin::start(Arc::new(fine)).await;
    match reference::HaProxy::start(origin.address).await {
        Some(haproxy) => run(haproxy.address, Who::HaProxy).await,
        None => println!("haproxy isn't installed: the table was not compared"),
    }
}

async fn run(at: SocketAddr, who: Who) {
    let mut asking = JoinSet::new();
    let mut wrong = Vec::new();
    let (mut n, mut n_known) = (0, 0);
    for case in all() {
        asking.spawn(async move {
            let heard = ask(at, &case).await;
            (case, heard)
        });
        if asking.len() >= 32 {
            let (case, heard) = asking.join_next().await.unwrap().unwrap();
            judge(&case, &heard, who, &mut wrong);
        }
    }
    while let Some(asked) = asking.join_next().await {
        let (case, heard) = asked.unwrap();
        judge(&case, &heard, who, &mut wrong);
    }
    for case in all() {
        n += 1;
        if let Some((_, why)) = case.but.iter().find(|(w, _)| w.0 == who).map(|(w, y)| (w, y)) {
            n_known += 1;
            println!("{} {}: {why}", case.section, case.what);
        }
    }
    println!("{who:?}: {n} cases, {n_known} of them known to differ, {} wrong", wrong.len());
    wrong.sort();
    assert!(wrong.is_empty(), "{who:?}: {} of {n}:\n{}", wrong.len(), wrong.join("\n"));
}

async fn ask(at: SocketAddr, case: &Case) -> Heard {
    let mut client = match case.begin {
        Begin::Usual => Client::begin(at).await,
        Begin::Raw => Client::connect(at).await,
    };
    if case.begin == Begin::Raw {
        client.send(&case.bytes).await;
        client
            .until(|heard| heard.goaway.is_some_and(|code| code != 0) || case.is_met(heard))
            .await;
    } else {
        client.settle(&case.bytes, &case.streams()).await;
    }
    client.heard
}

fn judge(case: &Case, heard: &Heard, who: Who, wrong: &mut Vec<String>) {
    let permitted = case.must.iter().any(|must| must.holds(heard));
    let known = case.but.iter().find(|((w, _), _)| *w == who);
    let verdict = match known {
        None if permitted => return,
        None => "not permitted",
        Some(((_, does), _)) if does.holds(heard) && !permitted => return,
        // Of HAProxy there are many versions.
        Some(_) if permitted && who == Who::HaProxy => return,
        Some(_) if permitted => "what was known to differ is right now",
        Some(_) => "differs otherwise than is known",
    };
    let Case { section, what, must, .. } = case;
    wrong.push(format!("[{section}] {what}: {verdict}\n  permitted: {must:?}\n  heard: {heard:?}"));
}

impl Must {
    fn holds(&self, heard: &Heard) -> bool {
        let connection = |codes: &[u32]| match heard.goaway {
            Some(code) => codes.contains(&code),
            None => heard.closed,
        };
        let no_error = heard.goaway.is_none_or(|code| code == 0);
        match self {
            Self::Connection(codes) => connection(codes),
            Self::Stream(stream, codes) => {
                match (heard.resets.get(stream), heard.goaway) {
                    (Some(code), _) if codes.contains(code) => true,
                    // Some name no error on the stream when they end the connection for it.
                    (_, Some(code)) => codes.contains(&code),
                    (reset, None) => reset.is_none() && heard.closed,
                }
            }
            Self::Answer(stream, statuses) => {
                no_error
                    && heard.statuses.get(stream).is_some_and(|status| statuses.contains(status))
            }
            Self::Nothing => no_error && !heard.closed && heard.resets.is_empty(),
            Self::Pong(data) => no_error && heard.pings.contains(*data),
            Self::Acknowledged(n) => no_error && heard.n_settings_acks >= *n,
        }
    }
}

impl Case {
    /// Whether what was heard is one of the outcomes already.
    fn is_met(&self, heard: &Heard) -> bool {
        self.must.iter().any(|must| must.holds(heard))
    }

    /// The streams whose end is to be waited for.
    fn streams(&self) -> Vec<u32> {
        let answered = |must: &Must| match must {
            Must::Answer(stream, _) => Some(*stream),
            _ => None,
        };
        self.must
            .iter()
            .chain(self.but.iter().map(|((_, does), _)| does))
            .filter_map(answered)
            .collect()
    }
}

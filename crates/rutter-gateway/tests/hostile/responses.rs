//! Origins that answer with two meanings: the client never sees more than one.
//!
//! Each case is an origin's answer to the first of two requests that a client sends at once. What
//! the client gets is read strictly: the first answer is the one that was meant, or a 502, or it
//! breaks off where everybody sees that it does. And what comes behind it is the second request's
//! own answer, or nothing: no byte of the first origin's answer is ever taken for it.
// tidy: a table of data

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::origin::{Origin, Reply};
use crate::scene::{Scene, config, exchange};
use crate::strict::{Fault, Message, answers};

/// What the client must see of the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// This status and body, whole.
    Whole(u16, &'static str),
    /// A 502 of the gateway's.
    BadGateway,
    /// A beginning, or a 502, and the end of the connection: nothing that could be taken for whole.
    Broken,
}
use Want::{BadGateway, Broken, Whole};

struct Case {
    class: &'static str,
    section: &'static str,
    /// What the origin says, and whether it closes behind it.
    says: Vec<u8>,
    closes: bool,
    want: Want,
}

/// Its name, its section, and for each case what the origin says, whether it closes behind it, and
/// what is wanted.
type Class = (&'static str, &'static str, Vec<(Vec<u8>, bool, Want)>);

const SECOND: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond";
const CHUNKS: &str = "2\r\nab\r\n0\r\n\r\n";

fn with(lines: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}").into()
}

fn chunked(body: &str) -> Vec<u8> {
    with("Transfer-Encoding: chunked\r\n", body)
}

#[rustfmt::skip] // One case a line.
fn cases() -> Vec<Case> {
    let (keep, close) = (false, true);
    let fine = "Content-Length: 4\r\n";
    let tables: Vec<Class> = vec![
        ("length beside chunks", "6.3 (3)", vec![
            (with("Content-Length: 50\r\nTransfer-Encoding: chunked\r\n", CHUNKS), keep, Whole(200, "ab")),
            (with("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", CHUNKS), keep, Whole(200, "ab")),
            (with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", CHUNKS), close, Whole(200, "ab")),
        ]),
        ("two lengths", "6.3 (5)", vec![
            (with("Content-Length: 4\r\nContent-Length: 5\r\n", "fine!"), keep, BadGateway),
            (with("Content-Length: 4, 5\r\n", "fine!"), keep, BadGateway),
            (with("Content-Length: 4\r\nContent-Length: 4\r\n", "fine"), keep, Whole(200, "fine")),
            (with("Content-Length: 4, 4\r\n", "fine"), keep, Whole(200, "fine")),
        ]),
        ("a length that isn't one", "9110 8.6", vec![
            (with("Content-Length: +4\r\n", "fine"), close, BadGateway), (with("Content-Length: -4\r\n", "fine"), close, BadGateway),
            (with("Content-Length: 0x4\r\n", "fine"), close, BadGateway), (with("Content-Length:\r\n", "fine"), close, BadGateway),
            (with("Content-Length: 99999999999999999999\r\n", "fine"), close, BadGateway), (with("Content-Length : 4\r\n", "fine"), close, BadGateway),
        ]),
        ("codings", "6.1, 6.3 (4)", vec![
            (with("Transfer-Encoding: chunked, chunked\r\n", CHUNKS), close, BadGateway),
            (with("Transfer-Encoding: gzip\r\n", "fine"), close, BadGateway),
            (with("Transfer-Encoding: xchunked\r\n", CHUNKS), close, BadGateway),
            (with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKS), close, BadGateway),
            (with("Transfer-Encoding: gzip, chunked\r\n", CHUNKS), close, BadGateway),
            (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".to_vec(), close, BadGateway),
        ]),
        ("chunks", "7.1", vec![
            (chunked("0x2\r\nab\r\n0\r\n\r\n"), close, Broken), (chunked("+2\r\nab\r\n0\r\n\r\n"), close, Broken),
            (chunked("2\r\nabX0\r\n\r\n"), close, Broken), (chunked("2\nab\r\n0\r\n\r\n"), close, Broken),
            (chunked("2\r\nab\r\n"), close, Broken), (chunked("fffffffffffffffff\r\nab"), close, Broken),
            (chunked("2;a=b\r\nab\r\n0\r\n\r\n"), keep, Whole(200, "ab")), (chunked("2\r\nab\r\n0\r\nA b: c\r\n\r\n"), close, Broken),
        ]),
        ("a body that ends early", "8", vec![
            (with("Content-Length: 50\r\n", "fine"), close, Broken), (chunked("32\r\nfine"), close, Broken), (chunked(""), close, Broken),
        ]),
        ("a body to the end", "6.3 (8)", vec![
            (with("", "fine"), close, Whole(200, "fine")), (b"HTTP/1.0 200 OK\r\n\r\nfine".to_vec(), close, Whole(200, "fine")),
            (with("Connection: close\r\n", "fine"), close, Whole(200, "fine")),
        ]),
        ("odd heads", "2.2, 5", vec![
            (with("A: b\0c\r\nContent-Length: 4\r\n", "fine"), close, BadGateway), (with("A: b\rc\r\nContent-Length: 4\r\n", "fine"), close, BadGateway),
            (with("A : b\r\nContent-Length: 4\r\n", "fine"), close, BadGateway), (with("nocolon\r\nContent-Length: 4\r\n", "fine"), close, BadGateway),
            (with(": b\r\nContent-Length: 4\r\n", "fine"), close, BadGateway), (with("A: b\r\n c\r\nContent-Length: 4\r\n", "fine"), close, BadGateway),
            (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine".to_vec(), keep, Whole(200, "fine")),
        ]),
        ("odd first lines", "4", vec![
            (b"HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\nfine".to_vec(), close, BadGateway), (b"HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\nfine".to_vec(), close, BadGateway),
            (b"HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nfine".to_vec(), close, BadGateway), (b"ICY 200 OK\r\n\r\nfine".to_vec(), close, BadGateway),
            (b"200 OK\r\n\r\n".to_vec(), close, BadGateway), (b"fine".to_vec(), close, BadGateway), (b"\0\0\0\0".to_vec(), close, BadGateway),
            (b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nfine".to_vec(), keep, Whole(200, "fine")),
        ]),
        ("too large a head", "2.3", vec![
            (with(&format!("A: {}\r\n{fine}", "b".repeat(100_000)), "fine"), close, BadGateway), (with(&format!("{}{fine}", "A: b\r\n".repeat(500)), "fine"), close, BadGateway),
            (format!("HTTP/1.1 200 {}\r\n{fine}\r\nfine", "x".repeat(100_000)).into(), close, BadGateway),
        ]),
        ("answers before the answer", "9110 15.2", vec![
            ([b"HTTP/1.1 100 Continue\r\n\r\n".repeat(3), with(fine, "fine")].concat(), keep, Whole(200, "fine")),
            ([b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec(), with(fine, "fine")].concat(), keep, Whole(200, "fine")),
            ([b"HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\n".to_vec(), with(fine, "fine")].concat(), keep, Whole(200, "fine")),
            ([b"HTTP/1.1 102 Processing\r\n\r\n".repeat(10_000), with(fine, "fine")].concat(), keep, Whole(200, "fine")),
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nGET".to_vec(), close, BadGateway),
        ]),
        ("more than one answer", "9.2", vec![
            ([with(fine, "fine"), with(fine, "evil")].concat(), keep, Whole(200, "fine")),
            ([with(fine, "fine"), b"\r\n".to_vec(), with(fine, "evil")].concat(), keep, Whole(200, "fine")),
            ([with("Content-Length: 0\r\n", ""), with(fine, "evil")].concat(), keep, Whole(200, "")),
            ([chunked(CHUNKS), with(fine, "evil")].concat(), keep, Whole(200, "ab")),
            ([b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), with(fine, "evil")].concat(), keep, Whole(204, "")),
            ([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n".to_vec(), with(fine, "evil")].concat(), keep, Whole(304, "")),
            ([b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n".to_vec(), b"evil".to_vec()].concat(), keep, Whole(204, "")),
        ]),
        ("no answer", "9.6", vec![(Vec::new(), close, BadGateway), (b"HT".to_vec(), close, BadGateway), (b"HTTP/1.1 200 OK\r\nA: b\r\n".to_vec(), close, BadGateway)]),
    ];
    let each = |(class, section, cases): (_, _, Vec<_>)| {
        cases.into_iter().map(move |(says, closes, want)| Case { class, section, says, closes, want })
    };
    tables.into_iter().flat_map(each).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_never_sees_two_meanings_in_an_origins_answer() {
    let (scene, mut services, mut all) = (Scene::new(), Vec::new(), Vec::new());
    for (n, case) in cases().into_iter().enumerate() {
        let (says, closes) = (case.says.clone(), case.closes);
        let script = move |request: &Message| match request.method_and_target() {
            (_, "/second") => Reply::Keep(SECOND.to_vec()),
            _ if closes => Reply::Close(says.clone()),
            _ => Reply::Keep(says.clone()),
        };
        let origin = Origin::start(Arc::new(script)).await;
        let host = format!("r{n:04}.nsl.sh");
        services.push((host.clone(), origin.address));
        all.push((case, host, origin));
    }
    scene.advertise(services).await;
    let gateway = scene.start(config()).await;
    let (address, mut asking) = (gateway.address, JoinSet::new());
    for (case, host, origin) in all {
        asking.spawn(async move {
            let asked = format!(
                "GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n\
                 GET /second HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            );
            let back = exchange(address, asked.as_bytes()).await;
            drop(origin);
            judge(&case, &back)
        });
    }
    let judged = asking.join_all().await;
    let mut wrong: Vec<String> = judged.into_iter().filter_map(Result::err).collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    gateway.end().await;
}

fn judge(case: &Case, back: &[u8]) -> Result<(), String> {
    let (answers, fault) = answers(back, &["GET", "GET"], true);
    let finals: Vec<_> = answers.iter().filter(|a| a.status() >= 200).collect();
    let got: Vec<(u16, String)> = finals
        .iter()
        .map(|a| (a.status(), String::from_utf8_lossy(&a.body).into_owned()))
        .collect();
    let clean = matches!(fault, None | Some(Fault::Incomplete));
    let first_as_meant = match (case.want, got.first()) {
        (Whole(status, body), Some((s, b))) => *s == status && b == body && fault.is_none(),
        (BadGateway, Some((502, _))) => fault.is_none(),
        // Cut in its body, or before anything of it was sent.
        (Broken, None) => true,
        (Broken, Some((502, _))) => fault.is_none(),
        _ => false,
    };
    let second_is_own = match got.get(1..).unwrap_or_default() {
        [] => true,
        [(200, body)] => body == "second",
        _ => false,
    };
    if clean && first_as_meant && second_is_own {
        return Ok(());
    }
    let Case { class, section, says, want, .. } = case;
    let shown =
        |b: &[u8]| String::from_utf8_lossy(&b[..b.len().min(300)]).escape_debug().to_string();
    Err(format!(
        "[{class}, {section}]\n  origin: {}\n  want:   {want:?}\n  client: {} ({fault:?})",
        shown(says),
        shown(back)
    ))
}

#[test]
fn every_class_of_answers_has_three_variants() {
    let mut classes = std::collections::BTreeMap::<&str, usize>::new();
    for case in cases() {
        *classes.entry(case.class).or_default() += 1;
    }
    assert!(classes.values().all(|n| *n >= 3), "{classes:?}");
}

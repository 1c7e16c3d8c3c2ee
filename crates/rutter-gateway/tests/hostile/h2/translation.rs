//! From HTTP/2 to HTTP/1: what is malformed there, or would be something else here.
//!
//! The same origins and the same judge as for HTTP/1: a request that reached an origin is strictly
//! valid and the one that was meant. HTTP/2 says where a field ends by its length, HTTP/1 by its
//! bytes: whoever copies one into the other gives a stranger the pen.
// tidy: a table of data

use std::sync::Arc;

use tokio::task::JoinSet;

use super::client::{Client, Heard};
use super::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, HOST, WHOLE, block, field, frame, pseudo,
};
use crate::access::AccessLog;
use crate::origin::{Origin, fine};
use crate::scene::{Scene, config};
use crate::strict::{Fault, Message, requests};

/// What must become of a case.
#[derive(Debug, Clone)]
enum Want {
    /// No origin sees anything: the stream or the connection ends by an error, or by a 4xx or 501.
    Refused,
    /// No origin sees a whole request.
    Broken,
    /// An origin sees this first line and this body, and these lines in its head, or not.
    Becomes {
        start: &'static str,
        body: &'static str,
        has: &'static [&'static str],
        lacks: &'static [&'static str],
    },
}
use Want::{Broken, Refused};

struct Case {
    class: &'static str,
    section: &'static str,
    frames: Vec<u8>,
    want: Want,
}

/// Its name, its section, and its cases.
type Class = (&'static str, &'static str, Vec<(Vec<u8>, Want)>);

const fn becomes(start: &'static str, body: &'static str) -> Want {
    Want::Becomes { start, body, has: &[], lacks: &[] }
}

const GOT: Want = becomes("GET /x HTTP/1.1", "");

/// A `GET` with these fields.
fn get(fields: Vec<u8>) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), fields].concat())
}

fn with(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    get(field(name, value))
}

/// A request of these fields alone.
fn only(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, block(fields.iter().copied()))
}

/// A `POST` with these fields and this body, and then these trailers.
fn post(fields: &[(&str, &str)], body: &str, trailers: Option<&[(&str, &str)]>) -> Vec<u8> {
    let head = [pseudo("POST", "/x"), block(fields.iter().copied())].concat();
    let end = if trailers.is_none() { END_STREAM } else { 0 };
    let mut frames = [frame(HEADERS, END_HEADERS, 1, head), frame(DATA, end, 1, body)].concat();
    if let Some(trailers) = trailers {
        frames.extend(frame(HEADERS, WHOLE, 1, block(trailers.iter().copied())));
    }
    frames
}

fn path(path: &str) -> Vec<u8> {
    only(&[(":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", path)])
}

fn method(method: &str) -> Vec<u8> {
    only(&[(":method", method), (":scheme", "http"), (":authority", HOST), (":path", "/x")])
}

#[rustfmt::skip] // One case a line.
fn cases() -> Vec<Case> {
    let (m, s, a, p) = ((":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", "/x"));
    let posted = |body| becomes("POST /x HTTP/1.1", body);
    let tables: Vec<Class> = vec![
        ("CR, LF or NUL in a value", "8.2.1", vec![
            (with("a", "b\r\nc: d"), Refused), (with("a", "b\nc: d"), Refused), (with("a", "b\rc"), Refused), (with("a", "b\0c"), Refused),
            (with("a", "b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n"), Refused), (with("a", "\n"), Refused), (with("cookie", "a=b\r\nc: d"), Refused),
        ]),
        ("other control bytes in a value", "8.2.1; 9110 5.5", vec![(with("a", "b\x01"), Refused), (with("a", "\x7f"), Refused), (with("a", "b\tc"), GOT), (with("a", "b\u{e9}"), GOT)]),
        ("white space about a value", "8.2.1", vec![(with("a", " b"), Refused), (with("a", "b "), Refused), (with("a", "\tb"), Refused), (with("a", "b\t"), Refused), (with("content-length", " 0"), Refused)]),
        ("odd names", "8.2.1", vec![
            (with("A", "b"), Refused), (with("X-Upper", "b"), Refused), (with("", "b"), Refused), (with("a b", "c"), Refused), (with("a:", "b"), Refused),
            (with("a\r\nb", "c"), Refused), (with("a\0", "b"), Refused), (with(b"a\xe9", "b"), Refused), (with("a: b\r\nc", "d"), Refused), (with("a(", "b"), Refused),
            (with("transfer-encoding ", "chunked"), Refused), (with(" a", "b"), Refused),
        ]),
        ("odd paths", "8.3.1", vec![
            (path("/x y"), Refused), (path(""), Refused), (path("x"), Refused), (path("*"), Refused), (path("/x HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n"), Refused), (path("/x\n"), Refused),
            (path("/\0"), Refused), (path("http://other.nsl.sh/x"), Refused), (path("//other.nsl.sh/x"), becomes("GET //other.nsl.sh/x HTTP/1.1", "")), (path("/x\ty"), Refused),
            (path("/x#y"), becomes("GET /x HTTP/1.1", "")), (path("/\u{fc}"), becomes("GET /%C3%BC HTTP/1.1", "")), (path("?x"), Refused), (path(" /x"), Refused),
            (only(&[(":method", "OPTIONS"), s, a, (":path", "*")]), becomes("OPTIONS * HTTP/1.1", "")),
        ]),
        ("odd methods", "8.3.1", vec![
            (method("GE T"), Refused), (method(""), Refused), (method("GET\r\n"), Refused), (method("GET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\nGET"), Refused),
            (method("G(T"), Refused), (method("G\0T"), Refused), (method("get"), becomes("get /x HTTP/1.1", "")), (method("GET "), Refused),
        ]),
        ("CONNECT", "8.5", vec![
            (only(&[(":method", "CONNECT"), (":authority", "other.nsl.sh:80")]), Refused), (only(&[(":method", "CONNECT"), s, a, p]), Refused),
            (only(&[(":method", "CONNECT"), (":protocol", "websocket"), s, a, p]), Refused),
        ]),
        ("pseudo-headers missing", "8.3.1", vec![(only(&[s, a, p]), Refused), (only(&[m, s, a]), Refused), (only(&[m, a, p]), Refused), (only(&[m, s, p]), Refused), (frame(HEADERS, WHOLE, 1, []), Refused)]),
        ("pseudo-headers twice", "8.3", vec![(only(&[m, m, s, a, p]), Refused), (only(&[m, s, a, p, (":path", "/y")]), Refused), (only(&[m, s, a, a, p]), Refused), (only(&[m, s, s, a, p]), Refused), (only(&[m, (":method", "POST"), s, a, p]), Refused)]),
        ("pseudo-headers that aren't", "8.3", vec![(only(&[m, s, a, p, (":x", "y")]), Refused), (only(&[m, s, a, p, (":status", "200")]), Refused), (only(&[m, s, a, p, (":", "y")]), Refused), (only(&[m, s, a, p, (":Path", "/y")]), Refused)]),
        ("pseudo-headers behind others", "8.3", vec![(only(&[m, s, a, ("a", "b"), p]), Refused), (only(&[("a", "b"), m, s, a, p]), Refused), (only(&[m, s, p, ("a", "b"), a]), Refused)]),
        ("odd schemes", "8.3.1", vec![
            (only(&[m, (":scheme", "ftp"), a, p]), Refused), (only(&[m, (":scheme", ""), a, p]), Refused), (only(&[m, (":scheme", "http://other.nsl.sh/?"), a, p]), Refused),
            (only(&[m, (":scheme", "https"), a, p]), GOT),
        ]),
        ("odd authorities", "8.3.1", vec![
            (only(&[m, s, (":authority", "u@alice.nsl.sh"), p]), Refused), (only(&[m, s, (":authority", "alice.nsl.sh\r\nA: b"), p]), Refused), (only(&[m, s, (":authority", ""), p]), Refused),
            (only(&[m, s, (":authority", "alice.nsl.sh/x?"), p]), Refused), (only(&[m, s, (":authority", "alice.nsl.sh, other.nsl.sh"), p]), Refused), (only(&[m, s, (":authority", "alice.nsl.sh other"), p]), Refused),
        ]),
        (":authority beside host", "8.3.1", vec![
            (with("host", "other.nsl.sh"), Refused), (with("host", HOST), Want::Becomes { start: "GET /x HTTP/1.1", body: "", has: &[], lacks: &["other.nsl.sh"] }),
            (get([field("host", HOST), field("host", "other.nsl.sh")].concat()), Refused), (only(&[m, s, p, ("host", HOST)]), GOT), (only(&[m, s, p, ("host", HOST), ("host", HOST)]), Refused),
            (only(&[m, s, p, ("host", "")]), Refused),
        ]),
        ("fields of one connection", "8.2.2", vec![
            (with("connection", "close"), Refused), (with("transfer-encoding", "chunked"), Refused), (with("keep-alive", "timeout=5"), Refused), (with("proxy-connection", "close"), Refused),
            (with("upgrade", "websocket"), Refused), (with("te", "gzip"), Refused), (with("te", "trailers, gzip"), Refused), (with("te", "trailers"), GOT), (with("connection", "te"), Refused),
            (post(&[("transfer-encoding", "chunked")], "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n", None), Refused), (with("connection", "host"), Refused),
        ]),
        ("a length that isn't the body's", "8.1.1", vec![
            (post(&[("content-length", "3")], "abcde", None), Broken), (post(&[("content-length", "9")], "abcde", None), Broken), (post(&[("content-length", "0")], "GET /smuggled HTTP/1.1\r\n\r\n", None), Broken),
            (post(&[("content-length", "5")], "abcde", None), posted("abcde")), (with("content-length", "5"), Broken), (post(&[("content-length", "5"), ("content-length", "6")], "abcde", None), Broken),
            (post(&[("content-length", "5"), ("content-length", "5")], "abcde", None), posted("abcde")), (post(&[("content-length", "+5")], "abcde", None), Broken), (post(&[("content-length", "5, 5")], "abcde", None), Broken),
            (post(&[("content-length", "")], "abcde", None), Broken), (post(&[("content-length", "0x5")], "abcde", None), Broken), (post(&[("content-length", "99999999999999999999")], "abcde", None), Broken),
            (post(&[], "abcde", None), posted("abcde")), (post(&[], "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n", None), posted("0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.nsl.sh\r\n\r\n")),
        ]),
        ("trailers", "8.1", vec![
            // h2 drops pseudo-headers of trailers unseen: what is left is right.
            (post(&[], "ab", Some(&[(":path", "/y")])), posted("ab")), (post(&[], "ab", Some(&[(":status", "200")])), posted("ab")), (post(&[], "ab", Some(&[("A", "b")])), Broken),
            (post(&[], "ab", Some(&[("a", "b\r\nc: d")])), Broken), (post(&[], "ab", Some(&[("a", "b")])), posted("ab")), (post(&[], "ab", Some(&[("content-length", "50")])), posted("ab")),
            (post(&[], "ab", Some(&[("transfer-encoding", "chunked")])), Broken), (post(&[], "ab", Some(&[("host", "other.nsl.sh")])), posted("ab")),
            (post(&[("content-length", "2")], "ab", Some(&[("a", "b")])), posted("ab")),
        ]),
        ("cookies", "8.2.3", vec![
            (get([field("cookie", "a=1"), field("cookie", "b=2")].concat()), Want::Becomes { start: "GET /x HTTP/1.1", body: "", has: &["cookie: a=1; b=2"], lacks: &[] }),
            (get(field("cookie", "a=1")), Want::Becomes { start: "GET /x HTTP/1.1", body: "", has: &["cookie: a=1"], lacks: &[] }),
            (get([field("cookie", "a=1\n"), field("cookie", "b=2")].concat()), Refused),
        ]),
        ("too much", "10.5.1; 6585 5", vec![
            (large(&"b".repeat(15_000), 3), Refused), ([pseudo("GET", "/x"), (0..150).flat_map(|n| field(format!("a{n}"), "b")).collect()].concat().chunks(16_000).next().map(|b| frame(HEADERS, WHOLE, 1, b)).unwrap(), Refused),
            (path(&format!("/{}", "x".repeat(9_000))), Refused), (large(&"b".repeat(15_000), 1), GOT),
        ]),
        ("what only a gateway may say", "9110 7.6; 7239", vec![
            (get([field("x-forwarded-for", "10.0.0.1"), field("x-real-ip", "10.0.0.1")].concat()), Want::Becomes { start: "GET /x HTTP/1.1", body: "", has: &["x-real-ip: 127.0.0.1"], lacks: &["10.0.0.1"] }),
            (with("forwarded", "for=10.0.0.1"), Want::Becomes { start: "GET /x HTTP/1.1", body: "", has: &[], lacks: &["10.0.0.1"] }),
            (with("expect", "100-continue"), Want::Becomes { start: "GET /x HTTP/1.1", body: "", has: &[], lacks: &["expect"] }),
        ]),
    ];
    let each = |(class, section, cases): (_, _, Vec<_>)| {
        cases.into_iter().map(move |(frames, want)| Case { class, section, frames, want })
    };
    tables.into_iter().flat_map(each).collect()
}

/// A head of this many large fields, in as many frames.
fn large(value: &str, n: usize) -> Vec<u8> {
    let mut frames = frame(HEADERS, END_STREAM, 1, pseudo("GET", "/x"));
    for n_field in 0..n {
        let flags = if n_field + 1 == n { END_HEADERS } else { 0 };
        frames.extend(frame(CONTINUATION, flags, 1, field(format!("a{n_field}"), value)));
    }
    frames
}

#[test]
fn there_are_60_cases_and_every_class_has_three() {
    let mut classes = std::collections::BTreeMap::<&str, usize>::new();
    for case in cases() {
        *classes.entry(case.class).or_default() += 1;
    }
    assert!(classes.values().all(|n| *n >= 3), "{classes:?}");
    let n: usize = classes.values().sum();
    println!("{n} cases in {} classes", classes.len());
    assert!(n >= 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_http2_becomes_another_of_http1() {
    let (scene, mut services, mut all) = (Scene::new(), Vec::new(), Vec::new());
    let bystander = Origin::start(Arc::new(fine)).await;
    services.push(("other.nsl.sh".to_owned(), bystander.address));
    for (n, case) in cases().into_iter().enumerate() {
        let origin = Origin::start(Arc::new(fine)).await;
        let host = format!("h{n:04}.nsl.sh");
        services.push((host.clone(), origin.address));
        all.push((case, host, origin));
    }
    scene.advertise(services).await;
    let mut config = config();
    config.listeners[0].h2c = true;
    let log = AccessLog::kept_by(&mut config);
    let gateway = scene.start(config).await;
    let (address, mut asking) = (gateway.address, JoinSet::new());
    for (case, host, origin) in all {
        asking.spawn(async move {
            let mut client = Client::begin(address).await;
            let mut frames = case.frames.clone();
            while let Some(at) = frames.windows(HOST.len()).position(|w| w == HOST.as_bytes()) {
                frames[at..at + HOST.len()].copy_from_slice(host.as_bytes());
            }
            client.settle(&frames, &[1]).await;
            (case, client.heard, origin)
        });
    }
    let done = asking.join_all().await;
    gateway.end().await;
    for (_, _, origin) in &done {
        origin.deserted().await;
    }
    log.must_agree_with(done.iter().flat_map(|(_, _, origin)| origin.bytes()));
    let mut wrong = Vec::new();
    for (case, heard, origin) in done {
        if let Err(why) = judge(&case.want, &heard, &origin.bytes()) {
            let Case { class, section, frames, want } = case;
            let got: Vec<_> = origin.bytes().iter().map(|b| b.escape_ascii().to_string()).collect();
            let sent = frames[..frames.len().min(300)].escape_ascii().to_string();
            wrong.push(format!(
                "[{class}, {section}] {why}\n  sent: {sent}\n  want: {want:?}\n  origin: {got:?}\n  heard: {heard:?}"
            ));
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    bystander.deserted().await;
    assert!(bystander.bytes().is_empty(), "another service got {:?}", bystander.bytes());
}

fn judge(want: &Want, heard: &Heard, at_origin: &[Vec<u8>]) -> Result<(), String> {
    let (mut whole, mut begun): (Vec<Message>, _) = (Vec::new(), false);
    for bytes in at_origin {
        match requests(bytes) {
            (all, None) => whole.extend(all),
            (all, Some(Fault::Incomplete)) => {
                whole.extend(all);
                begun = true;
            }
            (_, Some(fault)) => return Err(format!("LEAKED to the origin, {fault}")),
        }
    }
    let status = heard.statuses.get(&1).copied();
    let refused = match status {
        Some(status) => (400..500).contains(&status) || status == 501,
        None => heard.closed || heard.goaway.is_some() || heard.resets.contains_key(&1),
    };
    let expect = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    match want {
        Want::Refused => {
            expect(whole.is_empty() && !begun, "the origin got something")?;
            expect(refused, "the client wasn't told")
        }
        Want::Broken => {
            expect(whole.is_empty(), "the origin got a whole request")?;
            expect(refused, "the client wasn't told")
        }
        Want::Becomes { start, body, has, lacks } => {
            let [one] = &whole[..] else { return Err(format!("{} requests", whole.len())) };
            expect(one.start == *start && one.body == body.as_bytes(), "another request")?;
            let lines: Vec<String> = (one.fields.iter())
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
                .collect();
            for line in *has {
                expect(lines.iter().any(|l| l == line), line)?;
            }
            for text in *lacks {
                expect(!lines.iter().any(|l| l.contains(text)), text)?;
            }
            expect(status == Some(200), "the client didn't get the answer")
        }
    }
}

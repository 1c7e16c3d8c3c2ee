use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::Unreachable;
use crate::tests::server::{self, TestServer};

fn client(url: &str) -> Http {
    Http::new(BaseUrl::parse(url).unwrap(), None).unwrap()
}

fn ask<'a>() -> Ask<'a> {
    Ask { what: "the test", method: Method::GET, path: &["x"], query: None, bearer: None }
}

async fn why(http: &Http) -> Unreachable {
    match http.ask(ask()).await {
        Err(AgentError::Unreachable { why, .. }) => why,
        Err(other) => panic!("another error: {other}"),
        Ok(answer) => panic!("an answer: {}", answer.status),
    }
}

#[tokio::test]
async fn each_way_of_not_reaching_it_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(why(&client(&format!("http://{closed}"))).await, Unreachable::Refused);

    // A label over 63 bytes is refused by the resolver itself, so no DNS server is asked.
    let unknown = format!("http://{}.invalid:1", "a".repeat(64));
    assert!(matches!(why(&client(&unknown)).await, Unreachable::Lookup(_)));

    // Connections are taken by the system's backlog, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut http = client(&format!("http://{}", silent.local_addr().unwrap()));
    http.timeout = Duration::from_millis(100);
    assert_eq!(why(&http).await, Unreachable::Timeout);

    let plain = TestServer::start(|_| server::json(200, json!({}))).await;
    let pin = CaPin::of(&b"anything".to_vec().into());
    let base = BaseUrl::parse(&format!("https://{}", plain.address)).unwrap();
    assert!(matches!(why(&Http::new(base, Some(pin)).unwrap()).await, Unreachable::Tls(_)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut server = TestServer::start(|_| (302, String::new())).await;
    let answer = client(&server.url()).ask(ask()).await.unwrap();
    assert_eq!((answer.status, answer.is_success()), (302, false));
    assert_eq!(server.next().await.line, "GET /x");
    assert!(server.rest().is_empty());
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound() {
    let server = TestServer::start(|r| match r.line.as_str() {
        "GET /x?n=fits" => (200, " ".repeat(MAX_BODY)),
        _ => (200, " ".repeat(MAX_BODY + 1)),
    });
    let server = server.await;
    let http = client(&server.url());
    assert!(http.ask(Ask { query: Some(("n", "fits")), ..ask() }).await.is_ok());
    let error = http.ask(ask()).await.err().unwrap();
    assert!(matches!(&error, AgentError::Garbled { why, .. } if why.contains("65536")), "{error}");
}

#[tokio::test]
async fn a_refusal_shows_the_servers_words_without_secrets_and_cut() {
    let said = format!("no \u{1b}[31mrtj_CANARY here {}", "x".repeat(500));
    let server = TestServer::start(move |_| server::json(503, json!({ "error": said }))).await;
    let mut http = client(&server.url());
    http.conceal(&Secret::new("rtj_CANARY"));
    let answer = http.ask(ask()).await.unwrap();
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    let error = http.refused(&answer, "wait", true).to_string();
    assert!(error.contains("with 503 (`no [31m[redacted] here xx"), "{error}");
    assert!(error.ends_with(": wait") && error.len() < 350, "{error}");
}

#[test]
fn paths_are_encoded_below_the_base() {
    let at = |base: &str, path: &[&str]| BaseUrl::parse(base).unwrap().at(path).to_string();
    assert_eq!(at("http://h:1", &["a", "b"]), "http://h:1/a/b");
    assert_eq!(at("http://h:1/", &["a"]), "http://h:1/a");
    assert_eq!(at("https://h/base/", &["a/b?c#d", "é%"]), "https://h/base/a%2Fb%3Fc%23d/%C3%A9%25");
}

#[test]
fn base_urls_are_plain() {
    for bad in [
        "",
        "h:1",
        "ftp://h",
        "http://",
        "http://u@h",
        "http://u:p@h",
        "http://h/?q",
        "http://h/#f",
    ] {
        assert!(BaseUrl::parse(bad).is_err(), "{bad}");
    }
    let cases = [
        ("http://127.0.0.1:1", true),
        ("http://127.9.9.9", true),
        ("http://[::1]:1", true),
        ("http://localhost", true),
        ("http://rutter.localhost", true),
        ("http://10.0.0.1", false),
        ("http://localhost.example", false),
        ("http://[2001:db8::1]", false),
    ];
    for (url, loopback) in cases {
        assert_eq!(BaseUrl::parse(url).unwrap().is_loopback(), loopback, "{url}");
    }
}

#[test]
fn pins_are_64_hexadecimal_digits() {
    let pin = CaPin::of(&b"a certificate".to_vec().into());
    let text = pin.to_string();
    assert_eq!(text.parse(), Ok(pin));
    assert_eq!(text.to_uppercase().parse(), Ok(pin));
    for bad in ["", &text[1..], &format!("{text}0"), &"g".repeat(64), &"é".repeat(32)] {
        assert!(bad.parse::<CaPin>().is_err(), "{bad}");
    }
}

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn target(text: &str) -> ProbeTarget {
    text.parse().unwrap()
}

#[test]
fn targets_are_read_and_shown_as_they_were_written() {
    let good = [
        "icmp://10.1.0.7",
        "icmp://[fd01::7]",
        "tcp://10.1.0.7:22",
        "tcp://[fd01::7]:22",
        "http://10.1.0.7:8080/health",
        "http://[fd01::7]/",
    ];
    for text in good {
        assert_eq!(target(text).to_string(), text);
    }
    assert_eq!(target("icmp://fd01::7"), target("icmp://[fd01::7]"));
    let bad =
        ["10.1.0.7", "icmp://nas", "tcp://10.1.0.7", "http://nas/", "https://10.1.0.7/", "udp://x"];
    for text in bad {
        let error = text.parse::<ProbeTarget>().unwrap_err().to_string();
        assert!(error.contains("icmp://ADDRESS"), "{error}");
    }
}

/// The verdicts that come of answers and failures.
fn verdicts(answers: &str) -> String {
    let mut judge = Judge::new(2, 3);
    let heard = answers.chars().map(|answer| {
        let failure = (answer == '-').then(|| "no answer".to_owned());
        match judge.hear(failure) {
            None => '.',
            Some(Seen::Healthy) => 'H',
            Some(_) => 'U',
        }
    });
    heard.collect()
}

#[test]
fn a_verdict_takes_a_threshold_in_a_row_and_the_first_answer_counts() {
    for (answers, expected) in [
        ("+++", "H.."),
        ("---", "U.."),
        ("+--+--+---", "H........U"),
        ("-+-++-", "U...H."),
        ("+---++---", "H..U.H..U"),
    ] {
        assert_eq!(verdicts(answers), expected, "{answers}");
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

#[tokio::test]
async fn a_connection_is_an_answer_and_a_closed_port_is_none() {
    let (listener, at) = listen().await;
    ask::ask(&target(&format!("tcp://{at}"))).await.unwrap();
    drop(listener);
    ask::ask(&target(&format!("tcp://{at}"))).await.unwrap_err();
}

#[tokio::test]
async fn a_status_below_400_is_an_answer() {
    let (listener, at) = listen().await;
    let serve = tokio::spawn(async move {
        for status in ["200 OK", "302 Found", "503 Service Unavailable"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let n = stream.read(&mut head).await.unwrap();
            assert!(head[..n].starts_with(b"GET /health HTTP/1.1\r\n"));
            let answer = format!("HTTP/1.1 {status}\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let health = target(&format!("http://{at}/health"));
    ask::ask(&health).await.unwrap();
    ask::ask(&health).await.unwrap();
    let why = ask::ask(&health).await.unwrap_err();
    assert_eq!(why, "answered with 503");
    serve.await.unwrap();
}

#[tokio::test]
async fn an_echo_is_answered_by_this_host_itself() {
    for at in ["icmp://127.0.0.1", "icmp://[::1]"] {
        match timeout(Duration::from_secs(30), ask::ask(&target(at))).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) if why.contains("not permitted") || why.contains("ermission") => {
                println!("skipped: this user may not send echo requests: {why}");
            }
            other => panic!("{at}: {other:?}"),
        }
    }
}

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, StatusCode, Version};

use super::{AccessLog, AccessLogConfig, AccessLogFormat, CAPACITY, Clock, Record, line};
use crate::metrics::GatewayMetrics;

fn record() -> Record {
    Record {
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_242_501_042),
        client: "192.0.2.7".parse().unwrap(),
        host: Some("alice.nsl.sh".into()),
        asked: Some((Method::GET, "/a?b=%22".parse().unwrap(), Version::HTTP_11)),
        status: StatusCode::OK,
        bytes_in: 0,
        bytes_out: 6,
        took: Duration::from_micros(1500),
        upstream: Some(Duration::from_micros(1200)),
        tried: ["agent".into()].into_iter().collect(),
        served: None,
        sent: true,
        whole: true,
        id: Some(HeaderValue::from_static("0123")),
        error: None,
        tls: Some("TLSv1.3"),
        tls_server_name: Some("alice.nsl.sh".into()),
        referer: None,
        agent: Some(HeaderValue::from_bytes(b"a\"b\\c\xff").unwrap()),
    }
}

fn text(format: AccessLogFormat, record: &Record) -> String {
    let mut to = Vec::new();
    line::write(&mut to, format, record, &mut Clock::default());
    String::from_utf8(to).unwrap()
}

#[test]
fn lines_are_what_log_readers_know_and_clients_can_break_none() {
    assert_eq!(
        text(AccessLogFormat::Common, &record()),
        "192.0.2.7 - - [21/Nov/2026:06:28:21 +0000] \"GET /a?b=%22 HTTP/1.1\" 200 6 \"-\" \
         \"a\\\"b\\\\c\\xff\"\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&text(AccessLogFormat::Json, &record())).unwrap();
    assert_eq!(json["time"], "2026-11-21T06:28:21.042Z");
    assert_eq!(json["duration"], 0.0015);
    assert_eq!((&json["sent_upstream"], &json["tls"]), (&true.into(), &"TLSv1.3".into()));
    assert_eq!(json["tls_server_name"], "alice.nsl.sh");
    assert_eq!(json.get("error"), None);
    let unread = Record { asked: None, host: None, ..record() };
    assert!(text(AccessLogFormat::Common, &unread).contains("] \"-\" 200 "));
}

#[test]
fn over_the_bound_lines_are_dropped_and_counted_and_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let config = AccessLogConfig { file: Some(file.clone()), format: AccessLogFormat::Common };
    let metrics = Arc::new(GatewayMetrics::default());
    let log = AccessLog::open(config, 1, metrics.clone()).unwrap();
    let n_full = {
        // The writer waits for this lock, so the stripe fills up.
        let (lines, clock) = &mut *log.queue.stripes[0].lock();
        while lines.text.len() < CAPACITY {
            line::write(&mut lines.text, AccessLogFormat::Common, &record(), clock);
            lines.n += 1;
        }
        lines.n
    };
    log.push(0, &record());
    let rotated = directory.path().join("access.log.1");
    let n_lines = |path: &std::path::Path| {
        std::fs::read_to_string(path).map_or(0, |text| text.lines().count() as u64)
    };
    let written = |path: &std::path::Path, n: u64| {
        let deadline = std::time::Instant::now() + crate::testing::PATIENCE;
        while n_lines(path) + metrics.access_log_dropped.get() < n {
            assert!(std::time::Instant::now() < deadline, "{} lines", n_lines(path));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    written(&file, n_full + 1);
    let before = n_lines(&file);
    std::fs::rename(&file, &rotated).unwrap();
    log.reopen();
    log.push(0, &record());
    log.close();
    assert_eq!((n_lines(&rotated), n_lines(&file)), (before, 1));
}

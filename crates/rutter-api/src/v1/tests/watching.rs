//! Watching, over a real connection.

use futures_util::StreamExt;

use super::*;

/// The events of one connection.
struct Events {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Heard {
    event: String,
    id: String,
    data: Value,
}

impl Events {
    async fn open(api: &Api, token: &str, last: Option<&str>) -> Self {
        let url = format!("{}/v1/tables/services/watch", api.served.url);
        let mut request = api.client.get(url).bearer_auth(token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let stream = response.bytes_stream().map(|chunk| chunk.map(|b| b.to_vec())).boxed();
        Self { stream, buffer: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|l| l.strip_prefix(name));
                    lines.map(|l| l.trim().to_owned()).next().unwrap_or_default()
                };
                let heard = (field("event:"), field("id:"), field("data:"));
                self.buffer = rest.to_owned();
                let (event, id, data) = heard;
                if !event.is_empty() {
                    return Some(Heard { event, id, data: serde_json::from_str(&data).unwrap() });
                }
                continue;
            }
            let chunk = self.stream.next().await?.ok()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// `EVENT DESTINATION N_ROUTES` of the next so many.
    async fn lines(&mut self, n: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..n {
            let heard = self.next().await.unwrap();
            let destination = heard.data["destination"].as_str().unwrap_or_default();
            let n_routes = heard.data["routes"].as_array().map_or(0, Vec::len);
            lines.push(format!("{} {destination} {n_routes}", heard.event).trim().to_owned());
        }
        lines
    }
}

async fn say(api: &Api, token: &str, services: &[&str]) {
    let routes: Vec<_> = services
        .iter()
        .map(|s| json!({ "service": s, "endpoint": "http://192.0.2.1:80" }))
        .collect();
    let body = json!({ "routes": routes }).to_string();
    let (status, answer) = api.ask("PUT", "/v1/agent/routes", Some(token), Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_watcher_hears_a_snapshot_and_then_what_changes() {
    let api = Api::new().await;
    let alice = api.agent("alice").await;
    say(&api, &alice, &["a"]).await;
    let read = api.world.token(&[Scope::Read]).await;
    let mut events = Events::open(&api, &read, None).await;
    assert_eq!(
        events.lines(3).await,
        ["begin_of_snapshot  0", "snapshot a.alice.nsl.sh 1", "end_of_snapshot  0"]
    );
    say(&api, &alice, &["b"]).await;
    let mut lines = events.lines(2).await;
    lines.sort();
    assert_eq!(lines, ["advertise b.alice.nsl.sh 1", "withdraw a.alice.nsl.sh 0"]);
    // The same again renews the lease and is no change.
    say(&api, &alice, &["b"]).await;
    say(&api, &alice, &["b", "c"]).await;
    assert_eq!(events.lines(1).await, ["advertise c.alice.nsl.sh 1"]);
}

#[tokio::test]
async fn a_lost_connection_is_resumed_behind_the_last_event() {
    let api = Api::new().await;
    let alice = api.agent("alice").await;
    say(&api, &alice, &["a"]).await;
    let mut events = Events::open(&api, &api.admin, None).await;
    events.lines(3).await;
    say(&api, &alice, &["a", "b"]).await;
    let last = events.next().await.unwrap().id;
    drop(events);
    say(&api, &alice, &["a", "b", "c"]).await;
    // Until the server has seen that the connection is gone, asking again gives a snapshot.
    let mut events = loop {
        let mut events = Events::open(&api, &api.admin, Some(&last)).await;
        let first = events.next().await.unwrap();
        if first.event != "begin_of_snapshot" {
            assert_eq!(first.data["destination"], "c.alice.nsl.sh");
            break events;
        }
    };
    say(&api, &alice, &["a", "b", "c", "d"]).await;
    // What was on its way when the connection was lost may be told twice.
    loop {
        let heard = events.next().await.unwrap();
        assert_eq!(heard.event, "advertise");
        if heard.data["destination"] == "d.alice.nsl.sh" {
            break;
        }
        assert_eq!(heard.data["destination"], "c.alice.nsl.sh");
    }
}

#[tokio::test]
async fn what_can_not_be_resumed_is_a_snapshot() {
    let api = Api::new().await;
    let alice = api.agent("alice").await;
    say(&api, &alice, &["a"]).await;
    for last in ["", "7", "nonsense", "00-1", &format!("{}-1", "0".repeat(32))] {
        let mut events = Events::open(&api, &api.admin, Some(last)).await;
        assert_eq!(events.next().await.unwrap().event, "begin_of_snapshot", "{last}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_token() {
    let api = Api::new().await;
    let body = json!({ "name": "watcher", "scopes": ["read"] });
    let (_, made) = api.admin("POST", "/v1/tokens", body).await;
    let mut events = Events::open(&api, made["secret"].as_str().unwrap(), None).await;
    events.lines(2).await;
    let id = made["token"]["id"].as_str().unwrap();
    api.admin("DELETE", &format!("/v1/tokens/{id}"), Value::Null).await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_stop_ends_the_watch() {
    let api = Api::new().await;
    let mut events = Events::open(&api, &api.admin, None).await;
    events.lines(2).await;
    api.stop.cancel();
    assert_eq!(events.next().await, None);
    api.served.stop.cancel();
    api.served.ended().await;
}

#[tokio::test]
async fn a_slow_reader_is_told_what_is_and_not_all_that_was() {
    let api = Api::new().await;
    let alice = api.agent("alice").await;
    let mut events = Events::open(&api, &api.admin, None).await;
    events.lines(2).await;
    // Far more changes than sockets and channels hold, while nobody reads.
    let hop = |n: usize| format!("http://192.0.2.{}:{}", n % 250 + 1, n / 250 + 1);
    let n_changes = 200_000;
    let session = rutter_route::Session {
        source: "provider/flood".parse().unwrap(),
        incarnation: rutter_route::Incarnation(1),
    };
    for slice in (0..n_changes).collect::<Vec<_>>().chunks(20) {
        let (slice, session) = (slice.to_vec(), session.clone());
        let told = api.world.book.apply(move |book, now| {
            let table = book.services("services").unwrap();
            let up = rutter_route::SourceState::Up(Default::default());
            table.source(now, &session, up).unwrap();
            for n in slice {
                let hop = hop(n).parse().unwrap();
                let service = format!("s{}.flood", n % 20).parse().unwrap();
                let attributes = rutter_route::Attributes::via(hop);
                let service = rutter_route::Service::http(service);
                table.advertise(
                    now,
                    &session,
                    rutter_route::Advertisement::new(service, attributes),
                );
            }
        });
        told.await.unwrap();
    }
    say(&api, &alice, &["last"]).await;
    let (mut n_heard, mut held) = (0, std::collections::BTreeMap::new());
    let last_hops: Vec<_> = (n_changes - 20..n_changes).map(hop).collect();
    while !held.contains_key("last.alice.nsl.sh") || held.len() < 21 {
        let heard = events.next().await.unwrap();
        n_heard += 1;
        let destination = heard.data["destination"].as_str().unwrap().to_owned();
        held.insert(destination, heard.data["routes"][0]["attributes"]["next_hop"].clone());
    }
    assert!(n_heard < n_changes, "{n_heard}");
    for (n, hop) in last_hops.iter().enumerate() {
        assert_eq!(held[&format!("s{n}.flood")], json!(hop));
    }
}

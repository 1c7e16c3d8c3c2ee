//! Routes of files that belong to Proxmox guests, against a cluster that is played (`cluster.rs`):
//! there is none here, and what it answers is written from the documentation of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod cluster;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use rutter_providers::godoxy::config::{ProxmoxAt, ProxmoxLogin};
use rutter_providers::godoxy::{Settings, read_file};
use rutter_providers::proxmox::{MAX_GUESTS, Proxmox};
use rutter_providers::{Enriches, Reading, Target};
use tokio_util::sync::{CancellationToken, DropGuard};

use cluster::{Cluster, Guest, TOKEN, USER};

fn token() -> ProxmoxLogin {
    ProxmoxLogin::Token { id: TOKEN.0.to_owned(), secret: TOKEN.1.to_owned() }
}

/// How often clusters are looked at here.
const INTERVAL: Duration = Duration::from_millis(100);

/// Clusters that are followed, in their order, until this is dropped.
struct Followed {
    proxmox: Arc<Proxmox>,
    _guard: DropGuard,
}

impl Followed {
    async fn of(clusters: &[&Cluster], login: ProxmoxLogin, no_tls_verify: bool) -> Self {
        let stop = CancellationToken::new();
        let mut at = Vec::new();
        for cluster in clusters {
            let url = format!("https://localhost:{}", cluster.serve(&stop).await);
            at.push(ProxmoxAt { url, login: login.clone(), no_tls_verify });
        }
        let proxmox = Proxmox::start_every(INTERVAL, at, vec![80], stop.clone());
        let proxmox = proxmox.await.unwrap();
        Self { proxmox, _guard: stop.drop_guard() }
    }

    fn enriched(&self, text: &str) -> Reading {
        let settings = Settings { are_files_enriched: true, ..Settings::default() };
        let mut reading = read_file("a.yml", text, &|_| None, &settings).unwrap();
        self.proxmox.enrich(&mut reading);
        reading
    }

    /// A line about each route of a text, as it is now.
    fn all(&self, text: &str) -> Vec<String> {
        let reading = self.enriched(text);
        let refused = reading.refused.iter();
        let refused =
            refused.map(|one| format!("{} refused: {}", one.name, one.problems[0].message));
        let routes = reading.routes.iter().map(|route| {
            let target = match &route.target {
                Target::Http { host, port, .. } => format!("{host}:{port}"),
                other => format!("{other:?}"),
            };
            match &route.unresolved {
                None => format!("{} {target}", route.name),
                Some(why) => format!("{} unresolved: {why}", route.name),
            }
        });
        routes.chain(refused).collect()
    }

    /// Waits until a text becomes something, by the changes that are told; ten seconds at most.
    async fn until(&self, text: &str, want: &[&str]) {
        let mut changes = self.proxmox.changes();
        let waiting = async {
            while self.all(text) != want {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), waiting).await.is_err() {
            panic!("{:?}", self.all(text));
        }
    }
}

#[tokio::test]
async fn a_guest_is_followed_as_it_stops_and_starts_and_moves() {
    let cluster = Cluster::new();
    cluster.put(101, Guest::container("app", "10.0.0.51/24"));
    let followed = Followed::of(&[&cluster], token(), true).await;
    let text = "app: {port: 3000}";
    // It is there from the first: nothing led to this host meanwhile.
    assert_eq!(followed.all(text), ["app 10.0.0.51:3000"]);
    cluster.change(101, |app| app.status = "stopped");
    let stopped = "app unresolved: Proxmox container 101 (`app`) on node `pve1` is stopped";
    followed.until(text, &[stopped]).await;
    cluster.change(101, |app| {
        app.status = "running";
        app.written = "dhcp".to_owned();
        app.has = vec!["127.0.0.1/8".to_owned(), "10.0.0.77/24".to_owned()];
    });
    followed.until(text, &["app 10.0.0.77:3000"]).await;
}

#[tokio::test]
async fn a_container_that_gets_its_address_late_is_asked_until_it_has_one() {
    let cluster = Cluster::new();
    cluster.put(101, Guest::container("app", "dhcp"));
    let followed = Followed::of(&[&cluster], token(), true).await;
    let text = "app: {port: 3000}";
    let waits = "app unresolved: Proxmox container 101 (`app`) on node `pve1` has no address yet";
    assert_eq!(followed.all(text), [waits]);
    cluster.change(101, |app| app.has = vec!["10.0.0.77/24".to_owned()]);
    followed.until(text, &["app 10.0.0.77:3000"]).await;
}

#[tokio::test]
async fn an_old_cluster_says_the_addresses_that_were_written() {
    let cluster = Cluster::new();
    cluster.grow_old();
    cluster.put(101, Guest::container("app", "10.0.0.51/24"));
    let followed = Followed::of(&[&cluster], token(), true).await;
    assert_eq!(followed.all("app: {port: 3000}"), ["app 10.0.0.51:3000"]);
}

#[tokio::test]
async fn a_cluster_that_cant_be_asked_is_what_it_was() {
    let cluster = Cluster::new();
    cluster.put(101, Guest::container("app", "10.0.0.51/24"));
    let followed = Followed::of(&[&cluster], token(), true).await;
    let text = "app: {port: 3000}";
    let stands = ["app 10.0.0.51:3000"];
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
        (StatusCode::OK, "{\"data\": 7}"),
        (StatusCode::OK, "<html>"),
    ] {
        let n_before = cluster.n_looks();
        cluster.answer(Some((status, body)));
        cluster.looked_at(n_before + 1).await;
        assert_eq!(followed.all(text), stands, "{status} {body}");
    }
    cluster.answer(None);
    cluster.change(101, |app| app.status = "stopped");
    let stopped = "app unresolved: Proxmox container 101 (`app`) on node `pve1` is stopped";
    followed.until(text, &[stopped]).await;
}

#[tokio::test]
async fn a_users_ticket_is_renewed_when_it_is_refused() {
    let cluster = Cluster::new();
    cluster.put(101, Guest::container("app", "10.0.0.51/24"));
    let login = ProxmoxLogin::Password {
        user: USER.0.to_owned(),
        realm: "pam".to_owned(),
        password: USER.1.to_owned(),
    };
    let followed = Followed::of(&[&cluster], login, true).await;
    let text = "app: {port: 3000}";
    assert_eq!(followed.all(text), ["app 10.0.0.51:3000"]);
    cluster.end_tickets();
    cluster.change(101, |app| app.status = "stopped");
    let stopped = "app unresolved: Proxmox container 101 (`app`) on node `pve1` is stopped";
    followed.until(text, &[stopped]).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_knows_is_refused_and_written_routes_lead_nowhere() {
    let cluster = Cluster::new();
    cluster.put(101, Guest::container("app", "10.0.0.51/24"));
    let followed = Followed::of(&[&cluster], token(), false).await;
    let text = "app: {port: 3000, proxmox: {node: pve1, vmid: 101}}";
    assert_eq!(followed.all(text), ["app unresolved: Proxmox has not answered yet"]);
    let remarks = followed.enriched(text).remarks;
    assert!(remarks.iter().any(|remark| remark.problem.path == ["app", "proxmox"]));
    assert_eq!(cluster.n_looks(), 0);
}

#[tokio::test]
async fn the_first_cluster_wins_and_routes_round_in_a_circle_are_refused() {
    let (one, other) = (Cluster::new(), Cluster::new());
    one.put(101, Guest::container("app", "10.0.0.51/24"));
    other.put(101, Guest::container("app", "10.0.1.51/24"));
    other.put(102, Guest::container("other", "10.0.1.52/24"));
    let followed = Followed::of(&[&one, &other], token(), true).await;
    // Port 80 is the gateway's own, which is nobody's trouble but this host's.
    let text = "app: {}\nother: {}\nround: {}\nfine: {port: 81}\n";
    assert_eq!(
        followed.all(text),
        [
            "app 10.0.0.51:80",
            "other 10.0.1.52:80",
            "fine localhost:81",
            "round refused: localhost:80 is reserved for Rutter",
        ]
    );
}

#[tokio::test]
async fn what_a_cluster_has_is_read_no_more_often_than_it_changes() {
    let cluster = Cluster::new();
    (1..=50).for_each(|n| cluster.put(n, Guest::container(&format!("app-{n}"), "10.0.0.51/24")));
    let followed = Followed::of(&[&cluster], token(), true).await;
    assert_eq!(cluster.n_read(), 50);
    cluster.change(7, |app| app.status = "stopped");
    let text = "app-7: {port: 3000}";
    let stopped = "app-7 unresolved: Proxmox container 7 (`app-7`) on node `pve1` is stopped";
    followed.until(text, &[stopped]).await;
    assert_eq!(cluster.n_read(), 51);
}

#[tokio::test]
async fn more_guests_than_are_taken_change_nothing() {
    let cluster = Cluster::new();
    cluster.put(101, Guest::container("app", "10.0.0.51/24"));
    let followed = Followed::of(&[&cluster], token(), true).await;
    let text = "app: {port: 3000}";
    cluster.change(101, |app| app.status = "stopped");
    let machine = Guest { kind: "qemu", ..Guest::container("vm", "") };
    let n_guests = u32::try_from(MAX_GUESTS).unwrap();
    (1..=n_guests).for_each(|n| cluster.put(1000 + n, machine.clone()));
    let n_before = cluster.n_looks();
    cluster.looked_at(n_before + 2).await;
    assert_eq!(followed.all(text), ["app 10.0.0.51:3000"]);
    cluster.take(1001);
    let stopped = "app unresolved: Proxmox container 101 (`app`) on node `pve1` is stopped";
    followed.until(text, &[stopped]).await;
}

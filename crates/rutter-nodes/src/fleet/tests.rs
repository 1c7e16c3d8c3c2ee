//! A fleet over a real registry in a temporary directory and a real book, under a clock that is set.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rutter_book::{BookHandle, Clock};
use rutter_registry::{DataDir, PublicKey, SqliteRegistry, TokenSecret};
use rutter_rib::{Book, TableSpec};
use rutter_route::*;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::election::Settings;
use crate::policy::AutoApprovers;
use crate::{Node, Owner, RouteRow};

mod asking;
mod coming;
mod ending;
mod lasting;
mod words;

const ANN: (&str, &str) = ("ann", "because");

/// A clock that goes when it is told to.
#[derive(Clone)]
struct SetClock(Arc<AtomicU64>);

impl Clock for SetClock {
    fn now(&self) -> Now {
        let ms = self.0.load(Ordering::SeqCst);
        Now::new(ms, 1_700_000_000_000 + ms)
    }
}

/// A session and what belongs to it.
struct Live {
    session: NodeSession,
    pings: tokio::sync::mpsc::Receiver<rutter_link::Pinged>,
    _reads: AbortOnDropHandle<()>,
}

struct World {
    fleet: Fleet,
    book: BookHandle,
    registry: Arc<SqliteRegistry>,
    clock: SetClock,
    config: FleetConfig,
    dir: tempfile::TempDir,
    stop: CancellationToken,
    owner: tokio::task::JoinHandle<()>,
}

fn config() -> FleetConfig {
    FleetConfig {
        table: "nodes".parse().unwrap(),
        election: Settings::default(),
        policy: None,
        prefixes: vec![prefix("100.64.0.0/10"), prefix("fd7a:115c:a1e0::/48")],
        ephemeral_timeout: Duration::from_secs(120),
        key_lifetime: Some(Duration::from_secs(180 * 24 * 3600)),
        probing: None,
    }
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

fn from() -> SocketAddr {
    "192.0.2.1:7071".parse().unwrap()
}

fn user(name: &str) -> Owner {
    Owner::User(name.parse().unwrap())
}

async fn open(path: &Path) -> Arc<SqliteRegistry> {
    let dir = DataDir::open(path).unwrap();
    Arc::new(SqliteRegistry::open(Arc::new(dir)).await.unwrap())
}

fn book(
    config: &FleetConfig,
    clock: &SetClock,
) -> (BookHandle, tokio::task::JoinHandle<()>, CancellationToken) {
    let policy = config.election.policy(&AutoApprovers::default());
    let spec = TableSpec { name: config.table.clone(), kind: DestinationKind::Prefix, policy };
    let now = clock.now();
    let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
    let stop = CancellationToken::new();
    let (book, owner) = rutter_book::spawn(book, clock.clone(), 1, stop.clone());
    (book, owner, stop)
}

impl World {
    async fn new(config: FleetConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = SetClock(Arc::new(AtomicU64::new(1_000)));
        Self::at(dir, clock, config).await
    }

    async fn at(dir: tempfile::TempDir, clock: SetClock, config: FleetConfig) -> Self {
        let registry = open(dir.path()).await;
        let (book, owner, stop) = book(&config, &clock);
        let clock_of = Arc::new(clock.clone());
        let fleet = Fleet::start(config.clone(), book.clone(), registry.clone(), clock_of).await;
        Self { fleet: fleet.unwrap(), book, registry, clock, config, dir, stop, owner }
    }

    /// One with users `alice@` and `bob@`.
    async fn with_users(config: FleetConfig) -> Self {
        let world = Self::new(config).await;
        for name in ["alice@", "bob@"] {
            let new = NewUser {
                name: name.parse().unwrap(),
                display_name: String::new(),
                email: String::new(),
            };
            world.fleet.create_user("ann", new).await.unwrap();
        }
        world
    }

    /// The process dies with these sessions, without a word to anybody, and another begins.
    async fn killed(self, sessions: impl Sized) -> Self {
        let Self { fleet, book, registry, clock, config, dir, stop, owner } = self;
        stop.cancel();
        owner.await.unwrap();
        drop(sessions);
        fleet.0.closing.cancel();
        fleet.0.tasks.close();
        fleet.0.tasks.wait().await;
        // Only so that the directory is free: what waits isn't written.
        registry.close().await.unwrap();
        drop((fleet, book));
        while Arc::strong_count(&registry) > 1 {
            tokio::task::yield_now().await;
        }
        drop(registry);
        Self::at(dir, clock, config).await
    }

    /// Time passes, and what is due is done.
    async fn pass(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
        self.book.apply(|_, _| ()).await.unwrap();
        self.fleet.0.tend().await.unwrap();
        self.settle().await;
    }

    /// What commits led to is written and seen.
    async fn settle(&self) {
        let mut turn = self.fleet.0.store.turn().await;
        self.fleet.0.write_what_waits(&mut turn).await.unwrap();
    }

    async fn node(&self, n: u8, owner: &str) -> Node {
        let name = format!("node-{n}").parse().unwrap();
        self.fleet.register("ann", key(n), user(owner), Some(name)).await.unwrap()
    }

    /// A node whose session begins, and which uses each map that it is told.
    async fn opened(&self, n: u8) -> Live {
        let Connected { session, mut map, pings } =
            self.fleet.connect(&key(n), from()).await.unwrap();
        let reads = tokio::spawn(async move {
            while let Some(told) = map.next().await {
                map.applied(told.number);
            }
        });
        Live { session, pings, _reads: AbortOnDropHandle::new(reads) }
    }

    async fn connect(&self, n: u8, prefixes: &[&str]) -> Live {
        let mut live = self.opened(n).await;
        let endpoint = [192, 0, 2, n].into();
        live.session.announce(heard(prefixes), vec![endpoint]).await.unwrap();
        live
    }

    /// A router that is approved.
    async fn router(&self, n: u8, prefixes: &[&str]) -> (NodeId, Live) {
        let id = self.node(n, "alice@").await.id;
        let connected = self.connect(n, prefixes).await;
        let approved: Vec<Prefix> = prefixes.iter().map(|p| prefix(p)).collect();
        self.fleet.approve(ANN, id, &approved, false).await.unwrap();
        (id, connected)
    }

    async fn row(&self, id: NodeId, of: &str) -> RouteRow {
        let rows = self.fleet.node(&NodeRef::Id(id)).await.unwrap().rows;
        rows.into_iter().find(|row| row.prefix == prefix(of)).unwrap()
    }

    async fn primary(&self, of: &str) -> Option<u64> {
        let of = prefix(of);
        let primary = self.fleet.0.look(move |_, table, _| {
            crate::election::primary(table, &of, rutter_rib::ViewId::DEFAULT)
        });
        primary.await.unwrap().map(|id| id.0)
    }

    /// What the registry has of a node's row.
    async fn stored(&self, id: NodeId, of: &str) -> Option<RouteRow> {
        use rutter_registry::Nodes as _;
        let rows = self.registry.route_rows(rutter_registry::Page::first(1000)).await.unwrap();
        rows.into_iter().find(|row| row.node == id && row.prefix == prefix(of))
    }

    /// A pre-auth key for a user.
    async fn preauth(&self, new: NewPreauthKey) -> (PreauthKey, TokenSecret) {
        self.fleet.create_preauth_key("ann", new).await.unwrap()
    }
}

fn heard(prefixes: &[&str]) -> Heard {
    Heard { prefixes: prefixes.iter().map(|p| prefix(p)).collect::<BTreeSet<_>>() }
}

fn enrol(n: u8, name: &str, token: Option<&TokenSecret>) -> EnrolNode {
    EnrolNode { key: key(n), token: token.cloned(), name: name.parse().unwrap(), from: from() }
}

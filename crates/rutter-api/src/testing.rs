//! What the tests of this crate share: a real registry, a controller, real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use rutter_book::BookHandle;
use rutter_controller::{BookFeed, Config, Controller, DomainClaim, NewApiToken, parse_key};
use rutter_nodes::election::Settings;
use rutter_nodes::fleet::{Fleet, FleetConfig};
use rutter_nodes::policy::AutoApprovers;
use rutter_registry::{DataDir, Scope, Scopes, SqliteRegistry, UserId};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{DestinationKind, Mono, Now, TableName, Wall};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::{Clock, Limits, Listener};

/// A clock that moves when it is told to.
#[derive(Clone, Default)]
pub(crate) struct Hands(Arc<Mutex<Duration>>);

impl Hands {
    pub(crate) fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub(crate) fn clock(&self) -> Clock {
        Arc::new(self.clone())
    }
}

impl rutter_book::Clock for Hands {
    fn now(&self) -> Now {
        let start = Now { mono: Mono(1_000_000), wall: Wall(1_800_000_000_000) };
        start.plus(*self.0.lock().unwrap())
    }
}

/// A listener that serves until it is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Served {
    pub(crate) fn new(router: Router) -> Self {
        Self::with(router, Limits::default())
    }

    pub(crate) fn with(router: Router, limits: Limits) -> Self {
        let listener =
            Listener::bind("test", "127.0.0.1:0".parse().unwrap(), None, limits).unwrap();
        let url = format!("http://{}", listener.address());
        let stop = CancellationToken::new();
        let task = tokio::spawn(listener.serve(router, stop.clone()));
        Self { url, stop, task: AbortOnDropHandle::new(task) }
    }

    /// Waits until it has drained.
    pub(crate) async fn ended(self) {
        self.task.await.unwrap();
    }
}

pub(crate) fn client() -> reqwest::Client {
    // Plain HTTP needs no provider, but the client builds its TLS side all the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

/// A controller over a real registry in a directory of its own.
pub(crate) struct World {
    pub(crate) controller: Controller,
    pub(crate) book: BookHandle,
    pub(crate) hands: Hands,
    registry: Arc<SqliteRegistry>,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = Arc::new(DataDir::open(dir.path().join("data")).unwrap());
        let registry = Arc::new(SqliteRegistry::open(data).await.unwrap());
        let config = Config::new("nsl.sh".parse().unwrap());
        let hands = Hands::default();
        let book = book(&hands);
        let services: TableName = "services".parse().unwrap();
        let feed = Arc::new(BookFeed::open(book.clone(), services).await.unwrap());
        let controller = Controller::new(config, registry.clone(), feed);
        controller.restore(hands.clock().now()).await.unwrap();
        Self { controller, book, hands, registry, _dir: dir }
    }

    /// Nodes over the same registry, in a book of their own.
    pub(crate) async fn fleet(&self) -> (Fleet, BookHandle) {
        let table: TableName = "nodes".parse().unwrap();
        let election = Settings::default();
        let policy = election.policy(&AutoApprovers::default());
        let spec = TableSpec { name: table.clone(), kind: DestinationKind::Prefix, policy };
        let now = rutter_book::Clock::now(&self.hands);
        let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
        let book = rutter_book::spawn(book, self.hands.clone(), 1, CancellationToken::new()).0;
        let config = FleetConfig {
            table,
            election,
            policy: None,
            prefixes: vec!["100.64.0.0/10".parse().unwrap()],
            ephemeral_timeout: Duration::from_secs(120),
            key_lifetime: None,
            probing: None,
        };
        let clock = self.hands.clock();
        let fleet = Fleet::start(config, book.clone(), self.registry.clone(), clock).await;
        (fleet.unwrap(), book)
    }

    /// Another controller over the same registry, as after a start.
    pub(crate) async fn unrestored(&self) -> Controller {
        let services: TableName = "services".parse().unwrap();
        let feed = Arc::new(BookFeed::open(book(&self.hands), services).await.unwrap());
        let config = self.controller.config().clone();
        Controller::new(config, self.registry.clone(), feed)
    }

    /// A user with a name (none if it is empty) and a key.
    pub(crate) async fn user(&self, user: &str, name: &str, key: Option<&str>) -> UserId {
        let user: UserId = user.parse().unwrap();
        let name = (!name.is_empty()).then(|| name.to_owned());
        let key = key.map(|k| parse_key(k).unwrap());
        let claim = DomainClaim { user: user.clone(), name, key, by: "test".into() };
        self.controller.claim_domain(self.hands.clock().now(), claim).await.unwrap();
        user
    }

    /// An API token with these scopes.
    pub(crate) async fn token(&self, scopes: &[Scope]) -> String {
        let new = NewApiToken { name: "test".into(), scopes: Scopes::of(scopes), ttl: None };
        let made = self.controller.create_token(self.hands.clock().now(), new, "test").await;
        made.unwrap().secret.reveal().to_owned()
    }
}

/// A book with a table `services`, which lives as long as its handles.
pub(crate) fn book(hands: &Hands) -> BookHandle {
    let name: TableName = "services".parse().unwrap();
    let spec = TableSpec { name, kind: DestinationKind::Service, policy: Policy::default() };
    let now = rutter_book::Clock::now(hands);
    let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
    rutter_book::spawn(book, hands.clone(), 1, CancellationToken::new()).0
}

//! What the tests of this crate share: a real registry, a controller, real sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use rutter_controller::{
    Config, Controller, DomainClaim, Feed, NewApiToken, Result, SourceSet, parse_key,
};
use rutter_registry::{DataDir, Scope, Scopes, SqliteRegistry, UserId};
use rutter_route::{Incarnation, Mono, Now, Service, SourceId, Standing, Verdict, Wall};
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
        let hands = self.0.clone();
        let start = Now { mono: Mono(1_000_000), wall: Wall(1_800_000_000_000) };
        Clock::new(move || start.plus(*hands.lock().unwrap()))
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
    pub(crate) registry: Arc<SqliteRegistry>,
    pub(crate) hands: Hands,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = Arc::new(DataDir::open(dir.path().join("data")).unwrap());
        let registry = Arc::new(SqliteRegistry::open(data).await.unwrap());
        let config = Config::new("nsl.sh".parse().unwrap());
        let hands = Hands::default();
        let feed = Arc::new(Told::default());
        let controller = Controller::new(config, registry.clone(), feed);
        controller.restore(hands.clock().now()).await.unwrap();
        Self { controller, registry, hands, _dir: dir }
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

/// A table of the simplest kind: what each source said last.
#[derive(Default)]
struct Told(Mutex<BTreeMap<SourceId, SourceSet>>);

#[async_trait]
impl Feed for Told {
    async fn replace(&self, set: SourceSet) -> Result<Vec<Verdict>> {
        let verdicts = vec![Verdict::Stands(Standing::Eligible); set.routes.len()];
        self.0.lock().unwrap().insert(set.source.clone(), set);
        Ok(verdicts)
    }

    async fn gone(&self, source: SourceId, _: Incarnation) -> Result<()> {
        self.0.lock().unwrap().remove(&source);
        Ok(())
    }

    async fn standings(&self, _: Service) -> Result<Vec<(SourceId, String, Standing)>> {
        Ok(Vec::new())
    }
}

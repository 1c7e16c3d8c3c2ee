//! What the tests of this crate share: a real registry in a directory of its own, a table that
//! remembers what it was told, and time that moves when told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rutter_registry::{DataDir, Registry, SqliteRegistry, UserId};
use rutter_route::{Incarnation, Now, Service, SourceId, Standing, Verdict};

use crate::address::Registrant;
use crate::{
    Config, Controller, DomainClaim, Error, Feed, Registration, Result, RouteClaim, SourceSet,
};

/// Keys, signatures and encodings made with the original's own library.
pub(crate) fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../testdata/mesh-router-vectors.json")).unwrap()
}

/// A table of the simplest kind: what each source said last.
#[derive(Default)]
pub(crate) struct Told {
    sets: Mutex<BTreeMap<String, SourceSet>>,
    bars: Mutex<Vec<String>>,
    away: Mutex<BTreeMap<String, Duration>>,
    closed: AtomicBool,
}

impl Told {
    /// What a source says now, as `DESTINATION ENDPOINT`.
    pub(crate) fn says(&self, source: &str) -> Vec<String> {
        let sets = self.sets.lock().unwrap();
        let routes = sets.get(source).map(|set| set.routes.clone()).unwrap_or_default();
        routes.iter().map(|r| format!("{} {}", r.destination, r.attributes.next_hop)).collect()
    }

    pub(crate) fn set(&self, source: &str) -> Option<SourceSet> {
        self.sets.lock().unwrap().get(source).cloned()
    }

    /// For how long a source that is away may still be used; `None`: it is up.
    pub(crate) fn away(&self, source: &str) -> Option<Duration> {
        self.away.lock().unwrap().get(source).copied()
    }

    pub(crate) fn sources(&self) -> Vec<String> {
        self.sets.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// From now on routes with this path id are denied.
    pub(crate) fn bar(&self, path: &str) {
        self.bars.lock().unwrap().push(path.into());
    }

    fn open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) { Err(Error::Closed) } else { Ok(()) }
    }

    fn standing(&self, path: &str) -> Standing {
        let barred = self.bars.lock().unwrap().iter().any(|b| b == path);
        if barred { Standing::Denied } else { Standing::Eligible }
    }
}

#[async_trait]
impl Feed for Told {
    async fn replace(&self, set: SourceSet) -> Result<Vec<Verdict>> {
        self.open()?;
        let verdicts =
            set.routes.iter().map(|r| Verdict::Stands(self.standing(r.path.as_str()))).collect();
        self.away.lock().unwrap().remove(&set.source.to_string());
        self.sets.lock().unwrap().insert(set.source.to_string(), set);
        Ok(verdicts)
    }

    async fn away(&self, source: SourceId, incarnation: Incarnation, for_: Duration) -> Result<()> {
        self.open()?;
        let source = source.to_string();
        if self.set(&source).is_some_and(|set| set.incarnation == incarnation) {
            self.away.lock().unwrap().insert(source, for_);
        }
        Ok(())
    }

    async fn gone(&self, source: SourceId, incarnation: Incarnation) -> Result<()> {
        self.open()?;
        let mut sets = self.sets.lock().unwrap();
        let source = source.to_string();
        if sets.get(&source).is_some_and(|set| set.incarnation <= incarnation) {
            sets.remove(&source);
        }
        Ok(())
    }

    async fn standings(&self, of: Service) -> Result<Vec<(SourceId, String, Standing)>> {
        self.open()?;
        let sets = self.sets.lock().unwrap();
        let routes = sets.values().flat_map(|set| set.routes.iter().map(|r| (&set.source, r)));
        let of = routes.filter(|(_, r)| r.destination == of);
        Ok(of
            .map(|(source, r)| (source.clone(), r.path.to_string(), self.standing(r.path.as_str())))
            .collect())
    }
}

/// A controller and what stands around it.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) registry: Arc<SqliteRegistry>,
    pub(crate) told: Arc<Told>,
    pub(crate) controller: Controller,
}

/// When the tests begin.
pub(crate) const START: Now =
    Now { mono: rutter_route::Mono(1_000_000), wall: rutter_route::Wall(1_800_000_000_000) };

impl World {
    /// With an empty registry.
    pub(crate) async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), START).await
    }

    async fn open(dir: tempfile::TempDir, now: Now) -> Self {
        let data = Arc::new(DataDir::open(dir.path().join("data")).unwrap());
        let registry = Arc::new(SqliteRegistry::open(data).await.unwrap());
        let told = Arc::new(Told::default());
        let config = Config::new("localhost".parse().unwrap());
        let controller = Controller::new(config, registry.clone(), told.clone());
        controller.restore(now).await.unwrap();
        Self { dir, registry, told, controller }
    }

    /// The same data in a new process, at a time of its own.
    pub(crate) async fn restart(self, now: Now) -> Self {
        self.registry.close().await.unwrap();
        let Self { dir, registry, told, controller } = self;
        drop((registry, told, controller));
        Self::open(dir, now).await
    }

    /// A user with a name.
    pub(crate) async fn user(&self, user: &str, name: &str) -> UserId {
        let user: UserId = user.parse().unwrap();
        let name = Some(name.to_owned());
        let claim = DomainClaim { user: user.clone(), name, key: None, by: "test".into() };
        self.controller.claim_domain(START, claim).await.unwrap();
        user
    }
}

/// A claim about the name itself, or about a service below it.
pub(crate) fn claim(service: Option<&str>, endpoint: &str) -> RouteClaim {
    RouteClaim {
        service: service.map(|s| s.parse().unwrap()),
        path: endpoint.parse().unwrap(),
        endpoint: endpoint.parse().unwrap(),
        priority: rutter_route::Priority::whole(1),
        health_check: None,
        said: None,
    }
}

/// A registration from elsewhere.
pub(crate) fn registration(user: &UserId, source: &str, endpoints: &[&str]) -> Registration {
    Registration {
        user: user.clone(),
        source: source.parse().unwrap(),
        claims: endpoints.iter().map(|e| claim(None, e)).collect(),
        registrant: Registrant::Remote,
    }
}

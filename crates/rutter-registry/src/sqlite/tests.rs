//! Real databases in temporary directories.

use std::sync::Arc;

use rutter_route::Wall;

use super::*;
use crate::{Claim, DomainName, UserId};

mod bounds;
mod identities;
mod kill;
mod leases;
mod members;
mod nodes;
mod schema;
mod throughput;
mod tokens;
mod writes;

const NOW: Wall = Wall(1_800_000_000_000);

/// A registry in a directory that goes with it.
struct Fixture {
    registry: Arc<SqliteRegistry>,
    dir: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { registry: open(dir.path()).await, dir }
    }

    /// Closes the registry and opens it again, as a restart does.
    async fn restarted(self) -> Self {
        let Self { registry, dir } = self;
        let as_others_hold_it: Arc<dyn Registry> = Arc::clone(&registry) as _;
        as_others_hold_it.close().await.unwrap();
        drop(as_others_hold_it);
        assert_eq!(Arc::strong_count(&registry), 1, "somebody still holds the registry");
        drop(registry);
        Self { registry: open(dir.path()).await, dir }
    }
}

impl std::ops::Deref for Fixture {
    type Target = SqliteRegistry;

    fn deref(&self) -> &SqliteRegistry {
        &self.registry
    }
}

async fn open(path: &Path) -> Arc<SqliteRegistry> {
    let dir = DataDir::open(path).unwrap();
    Arc::new(SqliteRegistry::open(Arc::new(dir)).await.unwrap())
}

fn later(seconds: u64) -> Wall {
    Wall(NOW.0 + seconds * 1000)
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn claim_of(id: &str, label: &str) -> Claim {
    Claim { name: Some(name(label)), ..Claim::of(user(id)) }
}

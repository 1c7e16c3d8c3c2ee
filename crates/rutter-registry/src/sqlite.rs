//! The registry in SQLite, inside the process.
//!
//! ```text
//!   claim, put_lease, decide ..      identity, leases, tokens ..
//!            │ bounded channel                │
//!       writer task ── one connection    reader pool
//!            │ one transaction a tick         │ snapshots of what is committed
//!            └──────────── registry.db, WAL ──┘
//! ```
//!
//! **Durability.** WAL with `synchronous = FULL`: each commit ends with an fsync of the log. For
//! `kill -9` even `OFF` would do, since the kernel keeps what was written; for a power cut
//! `NORMAL` would lose the commits since the last checkpoint, though acknowledged, and a name
//! that was granted could be granted again to another. An fsync is dear alone and cheap shared:
//! the writer puts all writes that wait into one transaction, so their number a second rises with
//! the load while the fsyncs don't. Measured by `tests::throughput` (ext4 on a virtual disk, two
//! shared cores, unoptimised build), in claims a second:
//!
//! | synchronous | one caller | 256 callers |
//! | --- | --- | --- |
//! | FULL | 2,400 (1,100 on a busy machine) | 11,400 |
//! | NORMAL | 5,000 | 11,300 |
//!
//! So under load the safe setting costs nothing, and alone a fifth of a millisecond. 100,000
//! routes renewed every 300 s need 334 writes a second.
//!
//! **Reads** go on while the writer writes (WAL) and when it can't (a full disk). A read that
//! begins after a write was acknowledged sees it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use crate::{DataDir, Error, Registry, Result};

mod audit;
mod columns;
mod decisions;
mod failure;
mod identities;
mod incumbents;
mod leases;
mod members;
mod tokens;
mod writer;

use writer::Writer;

const FILE: &str = "registry.db";
const READERS: u32 = 4;
/// How long a statement waits for a lock of somebody outside, such as a person with a shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The registry in one SQLite file of a data directory.
pub struct SqliteRegistry {
    writer: Writer,
    readers: SqlitePool,
    incarnations: Mutex<leases::Reserved>,
}

impl SqliteRegistry {
    /// Opens the database of the directory, which is made or brought to the newest schema first.
    ///
    /// # Errors
    /// [`Newer`](Error::Newer) when a newer program wrote it, [`Exposed`](Error::Exposed) when
    /// others may read it, [`Damaged`](Error::Damaged), [`Unavailable`](Error::Unavailable),
    /// [`NoPermission`](Error::NoPermission).
    pub async fn open(dir: Arc<DataDir>) -> Result<Self> {
        let path = dir.ensure_private(FILE)?;
        let options = options(&path);
        let mut connection = options.connect().await.map_err(|e| at_open(&path, e))?;
        refuse_newer(&mut connection, &path).await?;
        MIGRATIONS
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|e| not_migrated(&path, e))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options.clone().pragma("query_only", "on"))
            .await
            .map_err(|e| at_open(&path, e))?;
        Ok(Self {
            writer: Writer::start(connection, options, dir),
            readers,
            incarnations: Mutex::default(),
        })
    }
}

#[async_trait]
impl Registry for SqliteRegistry {
    async fn close(&self) -> Result<()> {
        let written = self.writer.close().await;
        self.readers.close().await;
        written
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// A database with a migration that this program doesn't know is left as it is: what the newer
/// program keeps there can't be guarded by rules that this one has never heard of.
async fn refuse_newer(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(table)
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| at_open(path, e))?;
    if tables == 0 {
        return Ok(());
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(|e| at_open(path, e))?;
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Whether one more row fits into a table whose rows are counted under that name.
async fn check_room(
    connection: &mut SqliteConnection,
    counted: &str,
    what: &'static str,
    most: usize,
) -> Result<()> {
    let n: Option<i64> = sqlx::query_scalar("SELECT n FROM counts WHERE name = ?")
        .bind(counted)
        .fetch_optional(connection)
        .await?;
    if n.is_some_and(|n| usize::try_from(n).is_ok_and(|n| n >= most)) {
        return Err(Error::Bound { what, most });
    }
    Ok(())
}

fn at_open(path: &Path, error: sqlx::Error) -> Error {
    if failure::is_damage(&error) {
        return Error::Damaged { path: path.to_owned(), why: error.to_string() };
    }
    Error::from(error)
}

fn not_migrated(path: &Path, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => at_open(path, e),
        other => Error::Damaged { path: path.to_owned(), why: other.to_string() },
    }
}

#[cfg(test)]
mod tests;

//! The registry in SQLite, inside the process.
//!
//! ```text
//!   claim, put_lease, enrol ..       identity, leases, tokens ..
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
//! **Lending.** While another process has the registry ([`Registry::lend`]) every connection is
//! closed: no lock, log or cached page of ours stands between it and the files. Taking it back
//! opens them again, whatever was done to them meanwhile.
//!
//! **Reads** go on while the writer writes (WAL) and when it can't (a full disk). A read that
//! begins after a write was acknowledged sees it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use crate::{DataDir, Error, Registry, Result};

mod audit;
mod columns;
mod failure;
mod identities;
mod leases;
mod members;
mod node_users;
mod nodes;
pub(crate) mod schema;
mod tokens;
mod writer;

use writer::Writer;

const FILE: &str = crate::backup::REGISTRY;
const READERS: u32 = 4;
/// How long a statement waits for a lock of somebody outside, such as a person with a shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The registry in one SQLite file of a data directory.
pub struct SqliteRegistry {
    writer: Writer,
    readers: RwLock<SqlitePool>,
    incarnations: Mutex<leases::Reserved>,
    dir: Arc<DataDir>,
}

impl SqliteRegistry {
    /// Opens the database of the directory, which is made or brought to the newest schema first.
    ///
    /// # Errors
    /// [`Newer`](Error::Newer) when a newer program wrote it, [`Exposed`](Error::Exposed) when
    /// others may read it, [`Damaged`](Error::Damaged), [`Unavailable`](Error::Unavailable),
    /// [`NoPermission`](Error::NoPermission).
    pub async fn open(dir: Arc<DataDir>) -> Result<Self> {
        crate::backup::remove_snapshots(&dir);
        let Opened { connection, readers, options } = connect(&dir).await?;
        Ok(Self {
            writer: Writer::start(connection, options, dir.clone()),
            readers: RwLock::new(readers),
            incarnations: Mutex::default(),
            dir,
        })
    }

    /// Asks whether this program may open what is in the directory; there may be nothing. For
    /// those who would change something in it before [`SqliteRegistry::open`].
    ///
    /// # Errors
    /// [`Newer`](Error::Newer), [`Damaged`](Error::Damaged), and what hinders reading.
    pub async fn check(dir: &DataDir) -> Result<()> {
        let path = dir.file(FILE);
        if !path.exists() {
            return Ok(());
        }
        let mut connection = schema::reading(&path).await?;
        schema::known_schema(&mut connection, &path).await?;
        connection.close().await.map_err(|e| at_open(&path, e))
    }

    /// The readers, which are others after a registry was lent.
    fn readers(&self) -> SqlitePool {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Registry for SqliteRegistry {
    async fn close(&self) -> Result<()> {
        let written = self.writer.close().await;
        self.readers().close().await;
        written
    }

    async fn lend(&self) -> Result<()> {
        self.close().await
    }

    async fn take_back(&self) -> Result<()> {
        let Opened { connection, readers, options } = connect(&self.dir).await?;
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = readers;
        self.writer.start_again(connection, options, self.dir.clone());
        Ok(())
    }
}

/// An open database.
struct Opened {
    connection: SqliteConnection,
    readers: SqlitePool,
    options: SqliteConnectOptions,
}

async fn connect(dir: &DataDir) -> Result<Opened> {
    let path: PathBuf = dir.ensure_private(FILE)?;
    let options = options(&path);
    let mut connection = options.connect().await.map_err(|e| at_open(&path, e))?;
    schema::known_schema(&mut connection, &path).await?;
    MIGRATIONS
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|e| not_migrated(&path, e))?;
    schema::note_writer(&mut connection).await.map_err(|e| at_open(&path, e))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.clone().pragma("query_only", "on"))
        .await
        .map_err(|e| at_open(&path, e))?;
    Ok(Opened { connection, readers, options })
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

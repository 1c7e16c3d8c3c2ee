//! Which schema a database has, and whether this program may touch it.
//!
//! A database with a migration that this program doesn't know is left as it is: what the newer
//! program keeps there can't be guarded by rules that this one has never heard of. The question is
//! asked before anything is written, by whoever opens, copies or restores a database, and the
//! answer names the version that wrote it, since that is what its reader has to go and find.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::{BUSY_TIMEOUT, MIGRATIONS, at_open};
use crate::{Error, Result};

/// This program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The newest schema that this program knows.
pub fn schema_known() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

/// A connection that only reads, to a file that is there.
pub(crate) async fn reading(path: &Path) -> Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|e| at_open(path, e))
}

/// The schema of a database, 0 for an empty one.
///
/// # Errors
/// [`Newer`](Error::Newer), and what hinders reading.
pub(crate) async fn known_schema(c: &mut SqliteConnection, path: &Path) -> Result<i64> {
    if !has_table(c, path, "_sqlx_migrations").await? {
        return Ok(0);
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(&mut *c)
        .await
        .map_err(|e| at_open(path, e))?;
    let known = schema_known();
    if found <= known {
        return Ok(found);
    }
    let by = match has_table(c, path, "written_by").await? {
        true => sqlx::query_scalar("SELECT version FROM written_by")
            .fetch_optional(c)
            .await
            .map_err(|e| at_open(path, e))?,
        false => None,
    };
    Err(Error::Newer { path: path.to_owned(), found, known, by })
}

/// Notes that this version writes here from now on.
pub(super) async fn note_writer(c: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let note = "INSERT INTO written_by (one, version) VALUES (1, ?) ON CONFLICT (one) DO UPDATE \
                SET version = excluded.version WHERE version <> excluded.version";
    sqlx::query(note).bind(VERSION).execute(c).await.map(drop)
}

async fn has_table(c: &mut SqliteConnection, path: &Path, name: &str) -> Result<bool> {
    let n: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = ?")
        .bind(name)
        .fetch_one(c)
        .await
        .map_err(|e| at_open(path, e))?;
    Ok(n > 0)
}

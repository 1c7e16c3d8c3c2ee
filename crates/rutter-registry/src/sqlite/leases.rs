//! Leases and the counter of sessions in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rutter_route::{Incarnation, Wall};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::columns::{duration, millis, number, parsed, time, wall};
use super::{SqliteRegistry, identities};
use crate::lease::remains;
use crate::{
    Error, Incarnations, LeaseKey, Leases, MAX_SOURCES_OF_USER, NewLease, Page, Result, Routes,
    StoredLease, UserId,
};

/// How many incarnations one write reserves. Those not given before a crash are never given;
/// at a reservation a second the counter lasts for 280 million years.
const BLOCK: u64 = 1024;

/// Whether a lease has ended by the wall's clock, where `?1` is the time now: what [`remains`]
/// says, for SQLite. A test compares the two.
macro_rules! ended {
    () => {
        "min(remaining_ms - (?1 - written), lease_ms) <= 0"
    };
}

#[async_trait]
impl Leases for SqliteRegistry {
    async fn put_lease(&self, now: Wall, lease: NewLease) -> Result<()> {
        self.writer.write(move |c| Box::pin(put(c, now, lease))).await
    }

    async fn renew_lease(&self, now: Wall, key: &LeaseKey, lease: Duration) -> Result<()> {
        let key = key.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let renew = "UPDATE leases SET lease_ms = ?1, remaining_ms = ?1, written = ?2 \
                                 WHERE user_id = ?3 AND source = ?4";
                    let done = sqlx::query(renew)
                        .bind(millis(lease))
                        .bind(wall(now))
                        .bind(key.user.as_str())
                        .bind(key.source.as_str())
                        .execute(c)
                        .await?;
                    if done.rows_affected() == 0 {
                        let key = format!("{} of {}", key.source, key.user);
                        return Err(Error::NotFound { what: "lease", key });
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn remove_lease(&self, key: &LeaseKey) -> Result<bool> {
        let key = key.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let done = sqlx::query("DELETE FROM leases WHERE user_id = ? AND source = ?")
                        .bind(key.user.as_str())
                        .bind(key.source.as_str())
                        .execute(c)
                        .await?;
                    Ok(done.rows_affected() > 0)
                })
            })
            .await
    }

    async fn remove_leases(&self, user: &UserId) -> Result<usize> {
        let user = user.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let done = sqlx::query("DELETE FROM leases WHERE user_id = ?")
                        .bind(user.as_str())
                        .execute(c)
                        .await?;
                    Ok(done.rows_affected() as usize)
                })
            })
            .await
    }

    async fn leases(&self, now: Wall, page: Page<LeaseKey>) -> Result<Vec<StoredLease>> {
        let (user, source) = match &page.after {
            Some(key) => (key.user.as_str(), key.source.as_str()),
            None => ("", ""),
        };
        let list = concat!(
            "SELECT * FROM leases WHERE (user_id, source) > (?2, ?3) AND NOT (",
            ended!(),
            ") ORDER BY user_id, source LIMIT ?4"
        );
        sqlx::query(list)
            .bind(wall(now))
            .bind(user)
            .bind(source)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(|row| stored(row, now))
            .collect()
    }

    async fn remove_ended_leases(&self, now: Wall) -> Result<usize> {
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let delete = concat!("DELETE FROM leases WHERE ", ended!());
                    let done = sqlx::query(delete).bind(wall(now)).execute(c).await?;
                    Ok(done.rows_affected() as usize)
                })
            })
            .await
    }
}

async fn put(c: &mut SqliteConnection, now: Wall, new: NewLease) -> Result<()> {
    if identities::find(&mut *c, &new.key.user).await?.is_none() {
        return Err(identities::unknown(&new.key.user));
    }
    match current_session(c, &new.key).await? {
        Some(current) if current > new.incarnation => return Err(Error::OldSession { current }),
        Some(_) => {}
        None => make_room(c, now, &new.key.user).await?,
    }
    let upsert = "INSERT INTO leases \
                  (user_id, source, incarnation, lease_ms, remaining_ms, written, routes) \
                  VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6) \
                  ON CONFLICT (user_id, source) DO UPDATE SET \
                  incarnation = excluded.incarnation, lease_ms = excluded.lease_ms, \
                  remaining_ms = excluded.remaining_ms, written = excluded.written, \
                  routes = excluded.routes";
    sqlx::query(upsert)
        .bind(new.key.user.as_str())
        .bind(new.key.source.as_str())
        .bind(i64::try_from(new.incarnation.0).unwrap_or(i64::MAX))
        .bind(millis(new.lease))
        .bind(wall(now))
        .bind(new.routes.as_json())
        .execute(c)
        .await?;
    Ok(())
}

async fn current_session(c: &mut SqliteConnection, key: &LeaseKey) -> Result<Option<Incarnation>> {
    sqlx::query("SELECT incarnation FROM leases WHERE user_id = ? AND source = ?")
        .bind(key.user.as_str())
        .bind(key.source.as_str())
        .fetch_optional(c)
        .await?
        .map(|row| number(&row, "incarnation").map(Incarnation))
        .transpose()
}

/// A user with as many sources as may be loses those that have ended; is refused if none has.
async fn make_room(c: &mut SqliteConnection, now: Wall, user: &UserId) -> Result<()> {
    let sources: i64 = sqlx::query_scalar("SELECT count(*) FROM leases WHERE user_id = ?")
        .bind(user.as_str())
        .fetch_one(&mut *c)
        .await?;
    if (sources as usize) < MAX_SOURCES_OF_USER {
        return Ok(());
    }
    let delete = concat!("DELETE FROM leases WHERE user_id = ?2 AND ", ended!());
    let done = sqlx::query(delete).bind(wall(now)).bind(user.as_str()).execute(c).await?;
    if done.rows_affected() == 0 {
        return Err(Error::Bound { what: "sources of one user", most: MAX_SOURCES_OF_USER });
    }
    Ok(())
}

fn stored(row: &SqliteRow, now: Wall) -> Result<StoredLease> {
    let lease = duration(row, "lease_ms")?;
    let remaining = duration(row, "remaining_ms")?;
    Ok(StoredLease {
        key: LeaseKey { user: parsed(row, "user_id")?, source: parsed(row, "source")? },
        incarnation: Incarnation(number(row, "incarnation")?),
        lease,
        remaining: remains(lease, remaining, time(row, "written")?, now),
        routes: Routes::from_json(row.try_get("routes")?)?,
    })
}

/// Incarnations that are reserved on disk and not yet given.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    /// The last one given.
    given: u64,
    /// The last one reserved.
    until: u64,
}

#[async_trait]
impl Incarnations for SqliteRegistry {
    async fn next_incarnation(&self) -> Result<Incarnation> {
        // Held across the write, so that all who come meanwhile share one reservation.
        let mut reserved = self.incarnations.lock().await;
        if reserved.given == reserved.until {
            let until = self.writer.write(|c| Box::pin(reserve(c))).await?;
            *reserved = Reserved { given: until - BLOCK, until };
        }
        reserved.given += 1;
        Ok(Incarnation(reserved.given))
    }
}

async fn reserve(c: &mut SqliteConnection) -> Result<u64> {
    let reserve = "UPDATE counters SET reserved = reserved + ? WHERE name = 'incarnation' \
                   RETURNING reserved";
    let row = sqlx::query(reserve).bind(BLOCK as i64).fetch_one(c).await?;
    number(&row, "reserved")
}

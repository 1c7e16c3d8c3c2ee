//! Identities in SQLite.

use async_trait::async_trait;
use rutter_route::Wall;
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::columns::{optional_bytes, optional_parsed, optional_time, parsed, time, wall};
use super::failure::is_unique_violation;
use super::{SqliteRegistry, check_room};
use crate::{
    Claim, Claimed, DomainName, Error, Identities, Identity, MAX_IDENTITIES, Page, PublicKey,
    Result, Seed, UserId,
};

#[async_trait]
impl Identities for SqliteRegistry {
    async fn claim(&self, now: Wall, claim: Claim) -> Result<Claimed> {
        self.writer.write(move |c| Box::pin(grant(c, now, claim))).await
    }

    async fn delete_identity(&self, user: &UserId) -> Result<Option<Identity>> {
        let user = user.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let Some(identity) = find(&mut *c, &user).await? else { return Ok(None) };
                    sqlx::query("DELETE FROM identities WHERE user_id = ?")
                        .bind(user.as_str())
                        .execute(c)
                        .await?;
                    Ok(Some(identity))
                })
            })
            .await
    }

    async fn identity(&self, user: &UserId) -> Result<Option<Identity>> {
        find(&self.readers(), user).await
    }

    async fn identity_by_name(&self, name: &DomainName) -> Result<Option<Identity>> {
        find_by_name(&self.readers(), name).await
    }

    async fn identities(&self, page: Page<UserId>) -> Result<Vec<Identity>> {
        let after = page.after.as_ref().map_or("", UserId::as_str);
        sqlx::query("SELECT * FROM identities WHERE user_id > ? ORDER BY user_id LIMIT ?")
            .bind(after)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(identity)
            .collect()
    }

    async fn touch(&self, now: Wall, user: &UserId) -> Result<()> {
        let user = user.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let seen = "UPDATE identities SET last_seen = max(coalesce(last_seen, 0), ?) \
                                WHERE user_id = ?";
                    let done =
                        sqlx::query(seen).bind(wall(now)).bind(user.as_str()).execute(c).await?;
                    if done.rows_affected() == 0 {
                        return Err(unknown(&user));
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// Makes or changes the user of a claim. The unique index decides who has a name.
pub(super) async fn grant(c: &mut SqliteConnection, now: Wall, claim: Claim) -> Result<Claimed> {
    let before = find(&mut *c, &claim.user).await?;
    let identity = merged(now, claim, before.as_ref());
    if before.as_ref() == Some(&identity) {
        return Ok(Claimed { identity, before });
    }
    if before.is_none() {
        check_room(c, "identities", "identities", MAX_IDENTITIES).await?;
    }
    let upsert = "INSERT INTO identities \
                  (user_id, name, server_domain, public_key, seed, created, updated, last_seen) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
                  ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, \
                  server_domain = excluded.server_domain, public_key = excluded.public_key, \
                  seed = excluded.seed, updated = excluded.updated";
    let written = sqlx::query(upsert)
        .bind(identity.user.as_str())
        .bind(identity.name.as_ref().map(DomainName::as_str))
        .bind(identity.server_domain.as_ref().map(|d| d.as_str()))
        .bind(identity.key.as_ref().map(|k| k.0.as_slice()))
        .bind(identity.seed.as_ref().map(|s| s.0.as_slice()))
        .bind(wall(identity.created))
        .bind(wall(identity.updated))
        .bind(identity.last_seen.map(wall))
        .execute(c)
        .await;
    match (written, &identity.name) {
        (Ok(_), _) => Ok(Claimed { identity, before }),
        (Err(e), Some(name)) if is_unique_violation(&e) => {
            Err(Error::NameTaken { name: name.clone() })
        }
        (Err(e), _) => Err(e.into()),
    }
}

/// The user as it stands when the claim is granted; with the time of `before` if that asks for
/// nothing new.
fn merged(now: Wall, claim: Claim, before: Option<&Identity>) -> Identity {
    let mut identity = before.cloned().unwrap_or(Identity {
        user: claim.user,
        name: None,
        server_domain: None,
        key: None,
        seed: None,
        created: now,
        updated: now,
        last_seen: None,
    });
    if claim.name.is_some() {
        identity.name = claim.name;
    }
    if claim.server_domain.is_some() {
        identity.server_domain = claim.server_domain;
    }
    // The same key said again without its seed is no new key.
    let same_key = claim.key == identity.key && claim.seed.is_none();
    if claim.key.is_some() && !same_key {
        identity.key = claim.key;
        identity.seed = claim.seed;
    }
    if before.is_some_and(|b| *b != identity) {
        identity.updated = now;
    }
    identity
}

pub(super) fn unknown(user: &UserId) -> Error {
    Error::NotFound { what: "identity", key: user.to_string() }
}

pub(super) async fn find<'c>(
    from: impl SqliteExecutor<'c>,
    user: &UserId,
) -> Result<Option<Identity>> {
    sqlx::query("SELECT * FROM identities WHERE user_id = ?")
        .bind(user.as_str())
        .fetch_optional(from)
        .await?
        .as_ref()
        .map(identity)
        .transpose()
}

pub(super) async fn find_by_name<'c>(
    from: impl SqliteExecutor<'c>,
    name: &DomainName,
) -> Result<Option<Identity>> {
    sqlx::query("SELECT * FROM identities WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(from)
        .await?
        .as_ref()
        .map(identity)
        .transpose()
}

fn identity(row: &SqliteRow) -> Result<Identity> {
    Ok(Identity {
        user: parsed(row, "user_id")?,
        name: optional_parsed(row, "name")?,
        server_domain: optional_parsed(row, "server_domain")?,
        key: optional_bytes(row, "public_key")?.map(PublicKey),
        seed: optional_bytes(row, "seed")?.map(Seed),
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        last_seen: optional_time(row, "last_seen")?,
    })
}

//! Tokens in SQLite.

use async_trait::async_trait;
use rutter_route::Wall;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqliteExecutor};

use super::columns::{optional_parsed, optional_time, parsed, time, unreadable, wall};
use super::{SqliteRegistry, check_room, identities};
use crate::{
    Claim, Claimed, Error, Grant, MAX_TOKENS, NewToken, Note, Page, Result, Role, Scope, Scopes,
    Token, TokenHash, TokenId, TokenKind, TokenRefusal, TokenSecret, Tokens, UserId,
};

/// How exact the time of the last use is: one write a token and minute, however often it is used.
const USE_NOTED_EVERY_MS: u64 = 60_000;

#[async_trait]
impl Tokens for SqliteRegistry {
    async fn create_token(&self, now: Wall, token: NewToken) -> Result<Token> {
        self.writer.write(move |c| Box::pin(create(c, now, token))).await
    }

    async fn authenticate(
        &self,
        now: Wall,
        kind: TokenKind,
        presented: &TokenSecret,
    ) -> Result<Token> {
        let token = good(&self.readers(), now, kind, &presented.hash()).await?;
        let noted = |at: Wall| now.0 < at.0.saturating_add(USE_NOTED_EVERY_MS);
        if kind != TokenKind::Join && !token.last_used.is_some_and(noted) {
            let id = token.id.clone();
            self.writer.write_if_idle(move |c| Box::pin(async move { used(c, now, &id).await }));
        }
        Ok(token)
    }

    async fn revoke_token(&self, now: Wall, id: &TokenId) -> Result<Token> {
        let id = id.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let revoke = "UPDATE tokens SET revoked = coalesce(revoked, ?) \
                                  WHERE id = ? RETURNING *";
                    let row = sqlx::query(revoke)
                        .bind(wall(now))
                        .bind(id.as_str())
                        .fetch_optional(c)
                        .await?;
                    match row {
                        Some(row) => token(&row),
                        None => Err(Error::NotFound { what: "token", key: id.to_string() }),
                    }
                })
            })
            .await
    }

    async fn tokens(&self, kind: TokenKind, page: Page<TokenId>) -> Result<Vec<Token>> {
        let after = page.after.as_ref().map_or("", TokenId::as_str);
        sqlx::query("SELECT * FROM tokens WHERE kind = ? AND id > ? ORDER BY id LIMIT ?")
            .bind(kind.as_str())
            .bind(after)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(token)
            .collect()
    }

    async fn join_token(&self, presented: &TokenSecret) -> Result<Token> {
        known(&self.readers(), TokenKind::Join, &presented.hash()).await
    }

    async fn consume_join_token(&self, now: Wall, presented: &TokenSecret) -> Result<Token> {
        let hash = presented.hash();
        self.writer.write(move |c| Box::pin(async move { consume(c, now, &hash).await })).await
    }

    async fn join(
        &self,
        now: Wall,
        presented: &TokenSecret,
        claim: Claim,
        agent: TokenHash,
    ) -> Result<Claimed> {
        let hash = presented.hash();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let joined_with = consume(c, now, &hash).await?;
                    check_role(&joined_with, Role::Agent)?;
                    let claimed = identities::grant(c, now, claim).await?;
                    let user = claimed.identity.user.clone();
                    let name = Note::from(format!("joined with {}", joined_with.id));
                    let grant = Grant::Agent { user };
                    create(c, now, NewToken { hash: agent, name, grant, expires: None }).await?;
                    Ok(claimed)
                })
            })
            .await
    }
}

/// Within the writer's transaction, so looking and then writing is safe.
async fn consume(c: &mut SqliteConnection, now: Wall, hash: &TokenHash) -> Result<Token> {
    let token = good(&mut *c, now, TokenKind::Join, hash).await?;
    used(c, now, &token.id).await?;
    Ok(Token { last_used: Some(now), ..token })
}

/// A token that lets join as something else is refused.
pub(super) fn check_role(token: &Token, wanted: Role) -> Result<()> {
    match token.grant {
        Grant::Join { role, .. } if role == wanted => Ok(()),
        _ => Err(Error::Token(TokenRefusal::Role)),
    }
}

pub(super) async fn used(c: &mut SqliteConnection, now: Wall, id: &TokenId) -> Result<()> {
    sqlx::query("UPDATE tokens SET last_used = max(coalesce(last_used, 0), ?) WHERE id = ?")
        .bind(wall(now))
        .bind(id.as_str())
        .execute(c)
        .await?;
    Ok(())
}

/// The token of that hash and kind, unless it opens nothing.
async fn good<'c>(
    from: impl SqliteExecutor<'c>,
    now: Wall,
    kind: TokenKind,
    hash: &TokenHash,
) -> Result<Token> {
    let token = known(from, kind, hash).await?;
    match token.refusal(now) {
        Some(refusal) => Err(Error::Token(refusal)),
        None => Ok(token),
    }
}

/// The token of that hash and kind, good or not.
pub(super) async fn known<'c>(
    from: impl SqliteExecutor<'c>,
    kind: TokenKind,
    hash: &TokenHash,
) -> Result<Token> {
    let row = sqlx::query("SELECT * FROM tokens WHERE id = ? AND kind = ?")
        .bind(TokenId::of(hash).as_str())
        .bind(kind.as_str())
        .fetch_optional(from)
        .await?
        .ok_or(Error::Token(TokenRefusal::Unknown))?;
    if !hash.is(row.try_get("hash")?) {
        return Err(Error::Token(TokenRefusal::Unknown));
    }
    token(&row)
}

pub(super) async fn create(c: &mut SqliteConnection, now: Wall, new: NewToken) -> Result<Token> {
    make_room(c, now).await?;
    let none = Scopes::default();
    let (scopes, user, reusable, role) = match &new.grant {
        Grant::Api { scopes } => (*scopes, None, true, None),
        Grant::Agent { user } => (none, Some(user), true, None),
        Grant::Join { reusable, role } => (none, None, *reusable, Some(*role)),
    };
    if let Some(user) = user
        && identities::find(&mut *c, user).await?.is_none()
    {
        return Err(identities::unknown(user));
    }
    let insert = "INSERT INTO tokens \
                  (id, hash, kind, name, scopes, user_id, reusable, role, created, expires) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *";
    let row = sqlx::query(insert)
        .bind(TokenId::of(&new.hash).as_str())
        .bind(new.hash.as_bytes().as_slice())
        .bind(new.grant.kind().as_str())
        .bind(new.name.as_str())
        .bind(scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(","))
        .bind(user.map(UserId::as_str))
        .bind(reusable)
        .bind(role.map(Role::as_str))
        .bind(wall(now))
        .bind(new.expires.map(wall))
        .fetch_one(c)
        .await?;
    token(&row)
}

/// When there are as many tokens as may be, those that can't be used any more go.
async fn make_room(c: &mut SqliteConnection, now: Wall) -> Result<()> {
    match check_room(c, "tokens", "tokens", MAX_TOKENS).await {
        Err(Error::Bound { .. }) => {}
        result => return result,
    }
    let ended = "DELETE FROM tokens WHERE revoked IS NOT NULL OR expires <= ? \
                 OR (kind = 'join' AND reusable = 0 AND last_used IS NOT NULL)";
    sqlx::query(ended).bind(wall(now)).execute(&mut *c).await?;
    check_room(c, "tokens", "tokens", MAX_TOKENS).await
}

fn token(row: &SqliteRow) -> Result<Token> {
    Ok(Token {
        id: parsed(row, "id")?,
        name: Note::from(row.try_get::<&str, _>("name")?),
        grant: grant(row)?,
        created: time(row, "created")?,
        expires: optional_time(row, "expires")?,
        revoked: optional_time(row, "revoked")?,
        last_used: optional_time(row, "last_used")?,
    })
}

fn grant(row: &SqliteRow) -> Result<Grant> {
    match row.try_get("kind")? {
        "api" => Ok(Grant::Api { scopes: scopes(row.try_get("scopes")?)? }),
        "join" => {
            // Made before there were others than agents.
            let role = optional_parsed(row, "role")?.unwrap_or(Role::Agent);
            Ok(Grant::Join { reusable: row.try_get("reusable")?, role })
        }
        "agent" => {
            let user = optional_parsed(row, "user_id")?;
            let user = user.ok_or_else(|| unreadable("token", "an agent's without a user"))?;
            Ok(Grant::Agent { user })
        }
        other => Err(unreadable("kind of token", other)),
    }
}

fn scopes(text: &str) -> Result<Scopes> {
    let words = text.split(',').filter(|word| !word.is_empty());
    let scopes: Vec<Scope> = words.map(str::parse).collect::<Result<_, _>>()?;
    Ok(Scopes::of(&scopes))
}

//! Users of nodes and pre-auth keys in SQLite.

use async_trait::async_trait;
use rutter_route::Wall;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqliteExecutor};

use super::columns::{joined, optional_parsed, optional_time, parsed, time, wall};
use super::{SqliteRegistry, check_room, failure, nodes, tokens};
use crate::{
    Error, Grant, MAX_NODE_USERS, NewPreauthToken, NewToken, NodeUser, NodeUsers, Note, Page,
    PreauthKey, PreauthKeys, Result, Role, TokenId, TokenRefusal, TokenSecret, UserName,
};

#[async_trait]
impl NodeUsers for SqliteRegistry {
    async fn create_node_user(&self, user: NodeUser) -> Result<()> {
        self.writer.write(move |c| Box::pin(async move { create(c, &user).await })).await
    }

    async fn node_users(&self, page: Page<UserName>) -> Result<Vec<NodeUser>> {
        sqlx::query("SELECT * FROM node_users WHERE name > ? ORDER BY name LIMIT ?")
            .bind(page.after.as_ref().map_or("", UserName::as_str))
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(user)
            .collect()
    }

    async fn rename_node_user(&self, of: &UserName, to: &UserName) -> Result<NodeUser> {
        let (of, to) = (of.clone(), to.clone());
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    sqlx::query("UPDATE node_users SET name = ? WHERE name = ? RETURNING *")
                        .bind(to.as_str())
                        .bind(of.as_str())
                        .fetch_optional(c)
                        .await
                        .map_err(|e| taken(e, &to))?
                        .as_ref()
                        .map_or_else(|| Err(unknown(&of)), user)
                })
            })
            .await
    }

    async fn remove_node_user(&self, of: &UserName) -> Result<NodeUser> {
        let of = of.clone();
        self.writer.write(move |c| Box::pin(async move { remove(c, &of).await })).await
    }
}

async fn create(c: &mut SqliteConnection, new: &NodeUser) -> Result<()> {
    check_room(c, "node_users", "users of nodes", MAX_NODE_USERS).await?;
    let insert = "INSERT INTO node_users (name, display_name, email, created) VALUES (?, ?, ?, ?)";
    sqlx::query(insert)
        .bind(new.name.as_str())
        .bind(new.display_name.as_str())
        .bind(new.email.as_str())
        .bind(wall(new.created))
        .execute(c)
        .await
        .map_err(|e| taken(e, &new.name))?;
    Ok(())
}

async fn remove(c: &mut SqliteConnection, of: &UserName) -> Result<NodeUser> {
    let number = number_of(c, of).await?;
    let n: i64 = sqlx::query_scalar("SELECT count(*) FROM nodes WHERE user = ?")
        .bind(number)
        .fetch_one(&mut *c)
        .await?;
    if n > 0 {
        let why = format!("{n} node{}: delete them first", if n == 1 { "" } else { "s" });
        return Err(Error::InUse { what: "user", key: of.to_string(), why });
    }
    // The keys go by their reference to the token.
    let keys = "DELETE FROM tokens WHERE id IN (SELECT token FROM preauth_keys WHERE user = ?)";
    sqlx::query(keys).bind(number).execute(&mut *c).await?;
    let row = sqlx::query("DELETE FROM node_users WHERE number = ? RETURNING *")
        .bind(number)
        .fetch_one(c)
        .await?;
    user(&row)
}

/// By which number a user is referred to.
pub(super) async fn number_of(c: &mut SqliteConnection, of: &UserName) -> Result<i64> {
    sqlx::query_scalar("SELECT number FROM node_users WHERE name = ?")
        .bind(of.as_str())
        .fetch_optional(c)
        .await?
        .ok_or_else(|| unknown(of))
}

fn unknown(of: &UserName) -> Error {
    Error::NotFound { what: "user", key: of.to_string() }
}

fn taken(error: sqlx::Error, name: &UserName) -> Error {
    match failure::is_unique_violation(&error) {
        true => Error::Exists { what: "user", key: name.to_string() },
        false => error.into(),
    }
}

fn user(row: &SqliteRow) -> Result<NodeUser> {
    Ok(NodeUser {
        name: parsed(row, "name")?,
        display_name: Note::from(row.try_get::<&str, _>("display_name")?),
        email: Note::from(row.try_get::<&str, _>("email")?),
        created: time(row, "created")?,
    })
}

/// A pre-auth key: what its token says, and what a node's adds.
macro_rules! select_keys {
    ($which:literal) => {
        concat!(
            "SELECT tokens.id, tokens.reusable, tokens.created, tokens.expires, tokens.revoked, ",
            "tokens.last_used, preauth_keys.tags, preauth_keys.ephemeral, ",
            "node_users.name AS user_name FROM tokens ",
            "JOIN preauth_keys ON preauth_keys.token = tokens.id ",
            "LEFT JOIN node_users ON node_users.number = preauth_keys.user ",
            $which
        )
    };
}

#[async_trait]
impl PreauthKeys for SqliteRegistry {
    async fn create_preauth_key(&self, now: Wall, new: NewPreauthToken) -> Result<PreauthKey> {
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let user = match &new.user {
                        Some(user) => Some(number_of(c, user).await?),
                        None => None,
                    };
                    let grant = Grant::Join { reusable: new.reusable, role: Role::Node };
                    let (hash, expires) = (new.hash, new.expires);
                    let token = NewToken { hash, name: Note::from("pre-auth"), grant, expires };
                    let id = tokens::create(c, now, token).await?.id;
                    let insert = "INSERT INTO preauth_keys (token, user, tags, ephemeral) \
                                  VALUES (?, ?, ?, ?)";
                    sqlx::query(insert)
                        .bind(id.as_str())
                        .bind(user)
                        .bind(joined(new.tags.iter()))
                        .bind(new.ephemeral)
                        .execute(&mut *c)
                        .await?;
                    key_of(c, &id).await
                })
            })
            .await
    }

    async fn preauth_keys(&self, page: Page<TokenId>) -> Result<Vec<PreauthKey>> {
        sqlx::query(select_keys!("WHERE tokens.id > ? ORDER BY tokens.id LIMIT ?"))
            .bind(page.after.as_ref().map_or("", TokenId::as_str))
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(key)
            .collect()
    }

    async fn preauth_key(&self, presented: &TokenSecret) -> Result<PreauthKey> {
        let readers = self.readers();
        let token = tokens::known(&readers, crate::TokenKind::Join, &presented.hash()).await?;
        tokens::check_role(&token, Role::Node)?;
        key_of(&readers, &token.id).await
    }
}

async fn key_of<'c>(from: impl SqliteExecutor<'c>, id: &TokenId) -> Result<PreauthKey> {
    sqlx::query(select_keys!("WHERE tokens.id = ?"))
        .bind(id.as_str())
        .fetch_optional(from)
        .await?
        .as_ref()
        .map_or(Err(Error::Token(TokenRefusal::Unknown)), key)
}

fn key(row: &SqliteRow) -> Result<PreauthKey> {
    Ok(PreauthKey {
        id: parsed(row, "id")?,
        user: optional_parsed(row, "user_name")?,
        tags: nodes::tags(row)?,
        reusable: row.try_get("reusable")?,
        ephemeral: row.try_get("ephemeral")?,
        last_used: optional_time(row, "last_used")?,
        created: time(row, "created")?,
        expires: optional_time(row, "expires")?,
        revoked: optional_time(row, "revoked")?,
    })
}

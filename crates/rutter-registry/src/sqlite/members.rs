//! Members in SQLite, and who enrols.
//!
//! All of it runs on the writer's connection, so what is looked up stays true until the commit; a
//! refusal rolls back to the savepoint, and the token is as it was.

use async_trait::async_trait;
use rutter_route::Wall;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::columns::{optional_bytes, optional_time, parsed, time, unreadable, wall};
use super::{SqliteRegistry, check_room, identities, tokens};
use crate::{
    Claim, Claimed, Enrolled, Error, MAX_MEMBERS, Member, MemberName, Members, NewMember, Page,
    PublicKey, Result, Role, Token, TokenHash, TokenKind, TokenSecret,
};

#[async_trait]
impl Members for SqliteRegistry {
    async fn enrol(
        &self,
        now: Wall,
        presented: &TokenSecret,
        new: NewMember,
    ) -> Result<Enrolled<Member>> {
        let hash = presented.hash();
        self.writer.write(move |c| Box::pin(async move { enrol(c, now, &hash, new).await })).await
    }

    async fn enrol_agent(
        &self,
        now: Wall,
        presented: &TokenSecret,
        claim: Claim,
    ) -> Result<Enrolled<Claimed>> {
        let hash = presented.hash();
        self.writer
            .write(move |c| Box::pin(async move { enrol_agent(c, now, &hash, claim).await }))
            .await
    }

    async fn members(&self, page: Page<MemberName>) -> Result<Vec<Member>> {
        let after = page.after.as_ref().map_or("", MemberName::as_str);
        sqlx::query("SELECT * FROM members WHERE name > ? ORDER BY name LIMIT ?")
            .bind(after)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(member)
            .collect()
    }

    async fn remove_member(&self, name: &MemberName) -> Result<Option<Member>> {
        let name = name.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM members WHERE name = ? RETURNING *")
                        .bind(name.as_str())
                        .fetch_optional(c)
                        .await?
                        .as_ref()
                        .map(member)
                        .transpose()
                })
            })
            .await
    }

    async fn touch_member(&self, now: Wall, name: &MemberName) -> Result<()> {
        let name = name.clone();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let seen = "UPDATE members SET last_seen = max(coalesce(last_seen, 0), ?) \
                                WHERE name = ?";
                    let done =
                        sqlx::query(seen).bind(wall(now)).bind(name.as_str()).execute(c).await?;
                    if done.rows_affected() == 0 {
                        return Err(Error::NotFound { what: "member", key: name.to_string() });
                    }
                    Ok(())
                })
            })
            .await
    }
}

async fn enrol(
    c: &mut SqliteConnection,
    now: Wall,
    hash: &TokenHash,
    new: NewMember,
) -> Result<Enrolled<Member>> {
    let token = known(c, hash, new.role).await?;
    if matches!(new.role, Role::Agent | Role::Node) {
        return Err(Error::Refused { why: format!("a {} is no member", new.role) });
    }
    let before = find(c, &new.name).await?;
    if let Some(before) = &before
        && (before.role, before.key) == (new.role, new.key)
    {
        return Ok(Enrolled { what: before.clone(), stood: true });
    }
    use_up(c, now, &token).await?;
    if before.is_some() {
        return Err(Error::MemberNameTaken { name: new.name });
    }
    check_key(c, &new.key).await?;
    check_room(c, "members", "members", MAX_MEMBERS).await?;
    let insert = "INSERT INTO members (name, role, public_key, created) VALUES (?, ?, ?, ?) \
                  RETURNING *";
    let row = sqlx::query(insert)
        .bind(new.name.as_str())
        .bind(new.role.as_str())
        .bind(new.key.0.as_slice())
        .bind(wall(now))
        .fetch_one(c)
        .await?;
    Ok(Enrolled { what: member(&row)?, stood: false })
}

async fn enrol_agent(
    c: &mut SqliteConnection,
    now: Wall,
    hash: &TokenHash,
    claim: Claim,
) -> Result<Enrolled<Claimed>> {
    let token = known(c, hash, Role::Agent).await?;
    let (Some(name), Some(key)) = (&claim.name, &claim.key) else {
        return Err(Error::Refused { why: "who enrols brings a name and a key".to_owned() });
    };
    if let Some(identity) = identities::find_by_name(&mut *c, name).await?
        && identity.key.as_ref() == Some(key)
    {
        let before = Some(identity.clone());
        return Ok(Enrolled { what: Claimed { identity, before }, stood: true });
    }
    use_up(c, now, &token).await?;
    check_key(c, key).await?;
    Ok(Enrolled { what: identities::grant(c, now, claim).await?, stood: false })
}

/// The join token of that hash for that role, good or not.
pub(super) async fn known(c: &mut SqliteConnection, hash: &TokenHash, role: Role) -> Result<Token> {
    let token = tokens::known(c, TokenKind::Join, hash).await?;
    tokens::check_role(&token, role)?;
    Ok(token)
}

/// Uses the token, if it is good. What is refused after this takes it back.
pub(super) async fn use_up(c: &mut SqliteConnection, now: Wall, token: &Token) -> Result<()> {
    match token.refusal(now) {
        Some(refusal) => Err(Error::Token(refusal)),
        None => tokens::used(c, now, &token.id).await,
    }
}

/// Whether a key is nobody's yet.
pub(super) async fn check_key(c: &mut SqliteConnection, key: &PublicKey) -> Result<()> {
    let taken = "SELECT EXISTS (SELECT 1 FROM members WHERE public_key = ?1) \
                 OR EXISTS (SELECT 1 FROM nodes WHERE public_key = ?1) \
                 OR EXISTS (SELECT 1 FROM identities WHERE public_key = ?1)";
    let taken: bool = sqlx::query_scalar(taken).bind(key.0.as_slice()).fetch_one(c).await?;
    if taken { Err(Error::KeyTaken) } else { Ok(()) }
}

async fn find(c: &mut SqliteConnection, name: &MemberName) -> Result<Option<Member>> {
    sqlx::query("SELECT * FROM members WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(c)
        .await?
        .as_ref()
        .map(member)
        .transpose()
}

fn member(row: &SqliteRow) -> Result<Member> {
    let key = optional_bytes(row, "public_key")?.map(PublicKey);
    Ok(Member {
        name: parsed(row, "name")?,
        role: parsed(row, "role")?,
        key: key.ok_or_else(|| unreadable("member", "one without a key"))?,
        created: time(row, "created")?,
        last_seen: optional_time(row, "last_seen")?,
    })
}

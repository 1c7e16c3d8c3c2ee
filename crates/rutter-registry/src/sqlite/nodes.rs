//! Nodes and the rows of their routes in SQLite.

use std::net::IpAddr;

use async_trait::async_trait;
use rutter_route::{Incarnation, NodeId, Prefix, Tag, Tags, Wall};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::columns::{
    joined, list, number, optional_bytes, optional_json, optional_parsed, optional_time,
    optional_to_json, parsed, time, to_number, unreadable, wall,
};
use super::{SqliteRegistry, check_room, members, node_users};
use crate::{
    Error, MAX_NODES, Node, NodeNumbers, NodeRecord, NodeWrite, Nodes, Owner, Page, PublicKey,
    Result, Role, RouteRow, RowId, TokenSecret,
};

#[async_trait]
impl Nodes for SqliteRegistry {
    async fn node_numbers(&self) -> Result<NodeNumbers> {
        // A table that never had a row isn't in the list.
        let last = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'nodes'), 0) \
                    AS node, \
                    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'route_rows'), 0) AS row";
        let row = sqlx::query(last).fetch_one(&self.readers()).await?;
        Ok(NodeNumbers { node: NodeId(number(&row, "node")?), row: RowId(number(&row, "row")?) })
    }

    async fn nodes(&self, page: Page<NodeId>) -> Result<Vec<NodeRecord>> {
        let list = "SELECT nodes.*, node_users.name AS user_name FROM nodes \
                    LEFT JOIN node_users ON node_users.number = nodes.user \
                    WHERE nodes.number > ? ORDER BY nodes.number LIMIT ?";
        sqlx::query(list)
            .bind(page.after.map_or(0, |id| to_number(id.0)))
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(record)
            .collect()
    }

    async fn route_rows(&self, page: Page<RowId>) -> Result<Vec<RouteRow>> {
        sqlx::query("SELECT * FROM route_rows WHERE number > ? ORDER BY number LIMIT ?")
            .bind(page.after.map_or(0, |id| to_number(id.0)))
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(route_row)
            .collect()
    }

    async fn write_nodes(&self, writes: Vec<NodeWrite>) -> Result<()> {
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    for write in &writes {
                        match write {
                            NodeWrite::Node(record) => put(c, record).await?,
                            NodeWrite::Row(row) => put_row(c, row).await?,
                            NodeWrite::RowGone(id, prefix) => remove_row(c, *id, prefix).await?,
                            NodeWrite::NodeGone(id) => remove(c, *id).await?,
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn enrol_node(&self, now: Wall, presented: &TokenSecret, node: NodeRecord) -> Result<()> {
        let hash = presented.hash();
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let token = members::known(c, &hash, Role::Node).await?;
                    members::use_up(c, now, &token).await?;
                    put(c, &node).await
                })
            })
            .await
    }
}

async fn put(c: &mut SqliteConnection, record: &NodeRecord) -> Result<()> {
    let node = &record.node;
    let before: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT public_key FROM nodes WHERE number = ?")
            .bind(to_number(node.id.0))
            .fetch_optional(&mut *c)
            .await?;
    if before.is_none() {
        check_room(c, "nodes", "nodes", MAX_NODES).await?;
    }
    if before.as_deref() != Some(node.key.0.as_slice()) {
        members::check_key(c, &node.key).await?;
    }
    let (user, tags) = match &node.owner {
        Owner::User(user) => (Some(node_users::number_of(c, user).await?), String::new()),
        Owner::Tags(tags) => (None, joined(tags.iter())),
    };
    // Not `INSERT OR REPLACE`: it would take the rows away with the one that it replaces.
    let upsert = "INSERT INTO nodes (number, public_key, name, user, tags, addresses, created, \
                  expiry, ephemeral, incarnation, last_seen, endpoints, approval, preference, \
                  drain) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                  ON CONFLICT (number) DO UPDATE SET public_key = excluded.public_key, \
                  name = excluded.name, user = excluded.user, tags = excluded.tags, \
                  addresses = excluded.addresses, expiry = excluded.expiry, \
                  ephemeral = excluded.ephemeral, incarnation = excluded.incarnation, \
                  last_seen = excluded.last_seen, endpoints = excluded.endpoints, \
                  approval = excluded.approval, preference = excluded.preference, \
                  drain = excluded.drain";
    sqlx::query(upsert)
        .bind(to_number(node.id.0))
        .bind(node.key.0.as_slice())
        .bind(node.name.as_str())
        .bind(user)
        .bind(tags)
        .bind(joined(&node.addresses))
        .bind(wall(node.created))
        .bind(node.expiry.map(wall))
        .bind(node.ephemeral)
        .bind(to_number(record.incarnation.0))
        .bind(record.last_seen.map(wall))
        .bind(joined(&record.endpoints))
        .bind(optional_to_json(record.approval.as_ref())?)
        .bind(optional_to_json(record.preference.as_ref())?)
        .bind(optional_to_json(record.drain.as_ref())?)
        .execute(c)
        .await?;
    Ok(())
}

async fn put_row(c: &mut SqliteConnection, row: &RouteRow) -> Result<()> {
    let upsert = "INSERT INTO route_rows (number, node, prefix, advertised, enabled, is_primary, \
                  was_primary, approval, preference, drain, was_enabled, created, updated) \
                  SELECT ?, number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM nodes WHERE number = ? \
                  ON CONFLICT (node, prefix) DO UPDATE SET number = excluded.number, \
                  advertised = excluded.advertised, enabled = excluded.enabled, \
                  is_primary = excluded.is_primary, was_primary = excluded.was_primary, \
                  approval = excluded.approval, preference = excluded.preference, \
                  drain = excluded.drain, was_enabled = excluded.was_enabled, \
                  created = excluded.created, updated = excluded.updated";
    sqlx::query(upsert)
        .bind(to_number(row.id.0))
        .bind(row.prefix.to_string())
        .bind(row.advertised)
        .bind(row.enabled)
        .bind(row.is_primary)
        .bind(row.was_primary)
        .bind(optional_to_json(row.approval.as_ref())?)
        .bind(optional_to_json(row.preference.as_ref())?)
        .bind(optional_to_json(row.drain.as_ref())?)
        .bind(optional_to_json(row.was_enabled.as_ref())?)
        .bind(wall(row.created))
        .bind(wall(row.updated))
        .bind(to_number(row.node.0))
        .execute(c)
        .await?;
    Ok(())
}

async fn remove_row(c: &mut SqliteConnection, id: NodeId, prefix: &Prefix) -> Result<()> {
    sqlx::query("DELETE FROM route_rows WHERE node = ? AND prefix = ?")
        .bind(to_number(id.0))
        .bind(prefix.to_string())
        .execute(c)
        .await?;
    Ok(())
}

/// Its rows go by the reference to it.
async fn remove(c: &mut SqliteConnection, id: NodeId) -> Result<()> {
    sqlx::query("DELETE FROM nodes WHERE number = ?").bind(to_number(id.0)).execute(c).await?;
    Ok(())
}

fn record(row: &SqliteRow) -> Result<NodeRecord> {
    let owner = match optional_parsed(row, "user_name")? {
        Some(user) => Owner::User(user),
        None => Owner::Tags(tags(row)?),
    };
    let key = optional_bytes(row, "public_key")?.map(PublicKey);
    let node = Node {
        id: NodeId(number(row, "number")?),
        key: key.ok_or_else(|| unreadable("node", "one without a key"))?,
        name: parsed(row, "name")?,
        owner,
        addresses: list(row, "addresses")?,
        created: time(row, "created")?,
        expiry: optional_time(row, "expiry")?,
        ephemeral: row.try_get("ephemeral")?,
    };
    let endpoints: Vec<IpAddr> = list(row, "endpoints")?;
    Ok(NodeRecord {
        node,
        incarnation: Incarnation(number(row, "incarnation")?),
        last_seen: optional_time(row, "last_seen")?,
        endpoints,
        approval: optional_json(row, "approval")?,
        preference: optional_json(row, "preference")?,
        drain: optional_json(row, "drain")?,
    })
}

/// The tags of a node or a pre-auth key.
pub(super) fn tags(row: &SqliteRow) -> Result<Tags> {
    let tags: Vec<Tag> = list(row, "tags")?;
    Tags::try_from(tags).map_err(Error::from)
}

fn route_row(row: &SqliteRow) -> Result<RouteRow> {
    Ok(RouteRow {
        id: RowId(number(row, "number")?),
        node: NodeId(number(row, "node")?),
        prefix: parsed(row, "prefix")?,
        advertised: row.try_get("advertised")?,
        enabled: row.try_get("enabled")?,
        is_primary: row.try_get("is_primary")?,
        was_primary: row.try_get("was_primary")?,
        standing: None,
        approval: optional_json(row, "approval")?,
        preference: optional_json(row, "preference")?,
        drain: optional_json(row, "drain")?,
        was_enabled: optional_json(row, "was_enabled")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        deleted: None,
    })
}

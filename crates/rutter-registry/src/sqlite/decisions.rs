//! Decisions in SQLite.

use async_trait::async_trait;
use rutter_route::{AnyDestination, By, Decision, SourceId, TableName};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::columns::{destination, number, optional_destination, parsed, time, unreadable, wall};
use super::{SqliteRegistry, check_room};
use crate::{
    Aspect, DecisionNumber, DecisionRecord, Decisions, MAX_DECISIONS_OF_TABLE, Note, Page, Result,
};

const PERSON: &str = "person";
const RULE: &str = "rule";

#[async_trait]
impl Decisions for SqliteRegistry {
    async fn decide(&self, record: DecisionRecord) -> Result<()> {
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    match Aspect::of(record.decision) {
                        Some(aspect) => put(c, aspect, &record).await,
                        None => clear(c, &record).await,
                    }
                })
            })
            .await
    }

    async fn undecide(
        &self,
        table: &TableName,
        source: &SourceId,
        on: Option<&AnyDestination>,
        aspect: Aspect,
    ) -> Result<usize> {
        let (table, source, (kind, text)) = (table.clone(), source.clone(), destination(on));
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let delete = "DELETE FROM decisions WHERE table_name = ? AND source = ? \
                                  AND kind = ? AND destination = ? AND aspect = ?";
                    let done = sqlx::query(delete)
                        .bind(table.as_str())
                        .bind(source.to_string())
                        .bind(kind)
                        .bind(text)
                        .bind(aspect.as_str())
                        .execute(c)
                        .await?;
                    Ok(done.rows_affected() as usize)
                })
            })
            .await
    }

    async fn forget_source(&self, source: &SourceId) -> Result<()> {
        let source = source.clone();
        self.writer.write(move |c| Box::pin(async move { forget(c, &source).await })).await
    }

    async fn decisions(
        &self,
        table: &TableName,
        page: Page<DecisionNumber>,
    ) -> Result<Vec<(DecisionNumber, DecisionRecord)>> {
        let after = page.after.map_or(0, |n| i64::try_from(n.0).unwrap_or(i64::MAX));
        let list = "SELECT * FROM decisions WHERE table_name = ? AND number > ? \
                    ORDER BY number LIMIT ?";
        sqlx::query(list)
            .bind(table.as_str())
            .bind(after)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(record)
            .collect()
    }
}

/// Removes the decisions and incumbents of a source.
pub(super) async fn forget(c: &mut SqliteConnection, source: &SourceId) -> Result<()> {
    let source = source.to_string();
    sqlx::query("DELETE FROM decisions WHERE source = ?").bind(&source).execute(&mut *c).await?;
    sqlx::query("DELETE FROM incumbents WHERE source = ?").bind(&source).execute(c).await?;
    Ok(())
}

/// Takes the old row away and adds a new one, so that it gets a number after all others. Not by
/// `INSERT OR REPLACE`, which would fire no trigger for the row it takes away.
async fn put(c: &mut SqliteConnection, aspect: Aspect, record: &DecisionRecord) -> Result<()> {
    let (kind, text) = destination(record.destination.as_ref());
    let (by_kind, by_name) = author(&record.by);
    let (decision, preference) = words(record.decision);
    let delete = "DELETE FROM decisions WHERE table_name = ? AND source = ? AND kind = ? \
                  AND destination = ? AND aspect = ? AND by_kind = ?";
    sqlx::query(delete)
        .bind(record.table.as_str())
        .bind(record.source.to_string())
        .bind(kind)
        .bind(&text)
        .bind(aspect.as_str())
        .bind(by_kind)
        .execute(&mut *c)
        .await?;
    let counted = format!("decisions/{}", record.table);
    check_room(c, &counted, "decisions in that table", MAX_DECISIONS_OF_TABLE).await?;
    let insert = "INSERT INTO decisions (table_name, source, kind, destination, aspect, by_kind, \
                  by_name, decision, preference, why, at) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(insert)
        .bind(record.table.as_str())
        .bind(record.source.to_string())
        .bind(kind)
        .bind(text)
        .bind(aspect.as_str())
        .bind(by_kind)
        .bind(by_name)
        .bind(decision)
        .bind(preference)
        .bind(record.why.as_str())
        .bind(wall(record.at))
        .execute(c)
        .await?;
    Ok(())
}

/// A person's word removes all; a rule's only what rules said, so that it can't undo a person's.
async fn clear(c: &mut SqliteConnection, record: &DecisionRecord) -> Result<()> {
    let (kind, text) = destination(record.destination.as_ref());
    let (by_kind, _) = author(&record.by);
    let delete = "DELETE FROM decisions WHERE table_name = ? AND source = ? AND kind = ? \
                  AND destination = ? AND (? = 'person' OR by_kind = 'rule')";
    sqlx::query(delete)
        .bind(record.table.as_str())
        .bind(record.source.to_string())
        .bind(kind)
        .bind(text)
        .bind(by_kind)
        .execute(c)
        .await?;
    Ok(())
}

fn author(by: &By) -> (&'static str, &str) {
    match by {
        By::Person(name) => (PERSON, name),
        By::Rule(name) => (RULE, name),
    }
}

fn words(decision: Decision) -> (&'static str, Option<i64>) {
    match decision {
        Decision::Approve => ("approve", None),
        Decision::Revoke => ("revoke", None),
        Decision::Prefer(preference) => ("prefer", Some(preference.into())),
        Decision::Drain => ("drain", None),
        Decision::Clear => ("clear", None),
    }
}

fn decision(row: &SqliteRow) -> Result<Decision> {
    match row.try_get("decision")? {
        "approve" => Ok(Decision::Approve),
        "revoke" => Ok(Decision::Revoke),
        "drain" => Ok(Decision::Drain),
        "prefer" => u32::try_from(number(row, "preference")?)
            .map(Decision::Prefer)
            .map_err(|e| unreadable("preference", e.to_string())),
        other => Err(unreadable("decision", other)),
    }
}

fn record(row: &SqliteRow) -> Result<(DecisionNumber, DecisionRecord)> {
    let by_name: String = row.try_get("by_name")?;
    let by = match row.try_get("by_kind")? {
        PERSON => By::Person(by_name),
        RULE => By::Rule(by_name),
        other => return Err(unreadable("author", other)),
    };
    let record = DecisionRecord {
        table: parsed(row, "table_name")?,
        source: parsed(row, "source")?,
        destination: optional_destination(row)?,
        decision: decision(row)?,
        by,
        why: Note::from(row.try_get::<&str, _>("why")?),
        at: time(row, "at")?,
    };
    Ok((DecisionNumber(number(row, "number")?), record))
}

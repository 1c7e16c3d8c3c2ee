//! Audit events in SQLite.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteRegistry;
use super::columns::{number, time, wall};
use crate::{AUDIT_EVENTS_KEPT, Audit, AuditEvent, AuditNumber, Note, Page, Result};

#[async_trait]
impl Audit for SqliteRegistry {
    async fn audit(&self, event: AuditEvent) -> Result<AuditNumber> {
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let insert = "INSERT INTO audit (at, who, what, subject, detail) \
                                  VALUES (?, ?, ?, ?, ?)";
                    let done = sqlx::query(insert)
                        .bind(wall(event.at))
                        .bind(event.who.as_str())
                        .bind(event.what.as_str())
                        .bind(event.subject.as_str())
                        .bind(event.detail.as_str())
                        .execute(&mut *c)
                        .await?;
                    let number = done.last_insert_rowid();
                    sqlx::query("DELETE FROM audit WHERE number <= ?")
                        .bind(number - AUDIT_EVENTS_KEPT as i64)
                        .execute(c)
                        .await?;
                    Ok(AuditNumber(number.unsigned_abs()))
                })
            })
            .await
    }

    async fn audit_events(
        &self,
        page: Page<AuditNumber>,
    ) -> Result<Vec<(AuditNumber, AuditEvent)>> {
        let before = page.after.map_or(i64::MAX, |n| i64::try_from(n.0).unwrap_or(i64::MAX));
        sqlx::query("SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?")
            .bind(before)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(event)
            .collect()
    }
}

fn event(row: &SqliteRow) -> Result<(AuditNumber, AuditEvent)> {
    let note = |column| row.try_get::<&str, _>(column).map(Note::from);
    let event = AuditEvent {
        at: time(row, "at")?,
        who: note("who")?,
        what: note("what")?,
        subject: note("subject")?,
        detail: note("detail")?,
    };
    Ok((AuditNumber(number(row, "number")?), event))
}

//! Incumbents in SQLite.

use async_trait::async_trait;
use rutter_route::{AnyDestination, RouteKey, TableName, ViewName};
use sqlx::sqlite::SqliteRow;

use super::SqliteRegistry;
use super::columns::{destination, optional_destination, parsed, unreadable};
use crate::{Incumbent, Incumbents, Page, Result};

#[async_trait]
impl Incumbents for SqliteRegistry {
    async fn put_incumbents(&self, incumbents: Vec<Incumbent>) -> Result<()> {
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let upsert = "INSERT OR REPLACE INTO incumbents \
                                  (table_name, view_name, kind, destination, source, path) \
                                  VALUES (?, ?, ?, ?, ?, ?)";
                    for incumbent in &incumbents {
                        let (kind, text) = destination(Some(&incumbent.destination));
                        sqlx::query(upsert)
                            .bind(incumbent.table.as_str())
                            .bind(incumbent.view.as_str())
                            .bind(kind)
                            .bind(text)
                            .bind(incumbent.route.source.to_string())
                            .bind(incumbent.route.path.as_str())
                            .execute(&mut *c)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn remove_incumbent(
        &self,
        table: &TableName,
        view: &ViewName,
        of: &AnyDestination,
    ) -> Result<bool> {
        let (table, view, (kind, text)) = (table.clone(), view.clone(), destination(Some(of)));
        self.writer
            .write(move |c| {
                Box::pin(async move {
                    let delete = "DELETE FROM incumbents WHERE table_name = ? AND view_name = ? \
                                  AND kind = ? AND destination = ?";
                    let done = sqlx::query(delete)
                        .bind(table.as_str())
                        .bind(view.as_str())
                        .bind(kind)
                        .bind(text)
                        .execute(c)
                        .await?;
                    Ok(done.rows_affected() > 0)
                })
            })
            .await
    }

    async fn incumbents(
        &self,
        table: &TableName,
        page: Page<(ViewName, AnyDestination)>,
    ) -> Result<Vec<Incumbent>> {
        let (view, (kind, text)) = match &page.after {
            Some((view, of)) => (view.as_str(), destination(Some(of))),
            None => ("", destination(None)),
        };
        let list = "SELECT * FROM incumbents WHERE table_name = ? \
                    AND (view_name, kind, destination) > (?, ?, ?) \
                    ORDER BY view_name, kind, destination LIMIT ?";
        sqlx::query(list)
            .bind(table.as_str())
            .bind(view)
            .bind(kind)
            .bind(text)
            .bind(page.limit() as i64)
            .fetch_all(&self.readers())
            .await?
            .iter()
            .map(incumbent)
            .collect()
    }
}

fn incumbent(row: &SqliteRow) -> Result<Incumbent> {
    let destination = optional_destination(row)?
        .ok_or_else(|| unreadable("incumbent", "it has no destination"))?;
    Ok(Incumbent {
        table: parsed(row, "table_name")?,
        view: parsed(row, "view_name")?,
        destination,
        route: RouteKey { source: parsed(row, "source")?, path: parsed(row, "path")? },
    })
}

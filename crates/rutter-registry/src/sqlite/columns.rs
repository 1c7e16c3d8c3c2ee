//! Rutter's types to and from columns.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use rutter_route::Wall;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Error, Result};

/// A time as it is stored. One beyond the year 292 million is stored as that.
pub(super) fn wall(at: Wall) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A duration as it is stored.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A number that is not negative.
pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| unreadable("number", format!("{column} is {value}")))
}

/// A number as it is stored: one that SQLite can't hold is none that was ever given.
pub(super) fn to_number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Wall> {
    number(row, column).map(Wall)
}

pub(super) fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<Wall>> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|_| time(row, column)).transpose()
}

pub(super) fn duration(row: &SqliteRow, column: &str) -> Result<Duration> {
    number(row, column).map(Duration::from_millis)
}

pub(super) fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T>
where
    T: FromStr<Err: Display>,
{
    parse(row.try_get(column)?, column)
}

pub(super) fn optional_parsed<T>(row: &SqliteRow, column: &str) -> Result<Option<T>>
where
    T: FromStr<Err: Display>,
{
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| parse(text, column)).transpose()
}

pub(super) fn optional_bytes(row: &SqliteRow, column: &str) -> Result<Option<[u8; 32]>> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    let array = bytes.map(<[u8; 32]>::try_from).transpose();
    array.map_err(|_| unreadable("key", format!("{column} isn't 32 bytes")))
}

/// A list whose texts have no comma.
pub(super) fn joined<T: Display>(list: impl IntoIterator<Item = T>) -> String {
    list.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(",")
}

pub(super) fn list<T>(row: &SqliteRow, column: &str) -> Result<Vec<T>>
where
    T: FromStr<Err: Display>,
{
    let text: &str = row.try_get(column)?;
    text.split(',').filter(|one| !one.is_empty()).map(|one| parse(one, column)).collect()
}

pub(super) fn optional_to_json<T: Serialize>(of: Option<&T>) -> Result<Option<String>> {
    let text = of.map(serde_json::to_string).transpose();
    text.map_err(|e| unreadable("word", e.to_string()))
}

pub(super) fn optional_json<T: DeserializeOwned>(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|e| unreadable("word", format!("{column}: {e}")))
}

pub(super) fn unreadable(what: &'static str, why: impl Into<String>) -> Error {
    Error::Unreadable { what, why: why.into() }
}

fn parse<T>(text: &str, column: &str) -> Result<T>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|e: T::Err| unreadable("value", format!("{column}: {e}")))
}

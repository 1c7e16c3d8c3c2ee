//! What SQLite's errors mean to us.
//!
//! Two kinds matter. A statement that breaks a rule of the schema fails alone: the rest of its
//! transaction is as it was. A failure of the storage (a full disk, an I/O error) may have ended
//! the whole transaction, so nothing in it can be trusted. See <https://sqlite.org/rescode.html>
//! and, for which errors end a transaction by themselves, "Response To Errors Within A
//! Transaction" of <https://sqlite.org/lang_transaction.html>.

use crate::Error;

/// Primary result codes that are about one statement or its values: ERROR, TOOBIG, CONSTRAINT,
/// MISMATCH, RANGE. All others are about the storage.
const OF_THE_STATEMENT: [i32; 5] = [1, 18, 19, 20, 25];

/// CORRUPT and NOTADB.
const DAMAGE: [i32; 2] = [11, 26];

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::RowNotFound => Self::Unreadable { what: "row", why: error.to_string() },
            sqlx::Error::PoolClosed => Self::Closed,
            _ if primary_code(&error).is_some_and(|c| OF_THE_STATEMENT.contains(&c)) => {
                Self::Refused { why: error.to_string() }
            }
            _ => Self::Unavailable { why: error.to_string() },
        }
    }
}

/// Whether the file itself is damaged.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    primary_code(error).is_some_and(|c| DAMAGE.contains(&c))
}

/// Whether a unique index refused the statement.
pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|e| e.is_unique_violation())
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

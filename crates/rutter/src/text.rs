//! What the commands print for people.
//!
//! Pure functions from what the API answers to text, so that each has its snapshot as a test.
//! Times are UTC, as in logs.

pub(crate) mod explain;
mod table;
mod times;

pub(crate) use table::table;
pub(crate) use times::{clock, date, span};

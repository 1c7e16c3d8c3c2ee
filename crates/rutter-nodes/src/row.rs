//! What is kept of a row beside what the table knows.

use rutter_registry::{RowId, WasEnabled};
use rutter_route::Wall;

/// What is kept of a row beside what the table knows.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) id: RowId,
    pub(crate) created: Wall,
    pub(crate) updated: Wall,
    pub(crate) was_enabled: Option<WasEnabled>,
    /// As it was when the row was last looked at: a difference is a change of the row.
    pub(crate) seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) enabled: bool,
    pub(crate) is_primary: bool,
    pub(crate) was_primary: bool,
}

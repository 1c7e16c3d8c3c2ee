//! Route rows: what people see of a node's routes.

use std::fmt;

use rutter_route::{By, NodeId, Prefix, Standing, Wall, Word};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The number of a row. Numbers are given in order, and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u64);

/// A node's route, as a person looks at it. Also the form in which it is kept, but for how it
/// stands, which is the table's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// Its number.
    pub id: RowId,
    /// Whose route.
    pub node: NodeId,
    /// To where.
    pub prefix: Prefix,
    /// The node says it has it. A lost session takes nothing back.
    pub advertised: bool,
    /// Advertised and approved: it may be used.
    pub enabled: bool,
    /// The table chose it for its prefix; never an exit route.
    pub is_primary: bool,
    /// It was chosen last, where the prefix has no primary now.
    pub was_primary: bool,
    /// How it stands, if it is advertised.
    pub standing: Option<Standing>,
    /// The word on it that counts, a person's or a rule's: `true` approves, `false` revokes. With
    /// `advertised` false, an approval that waits for the node.
    pub approval: Option<Word<bool>>,
    /// The word on its preference that counts.
    pub preference: Option<Word<u32>>,
    /// The word that it is to be used last.
    pub drain: Option<Word<()>>,
    /// The approval that the last withdrawal ended.
    pub was_enabled: Option<WasEnabled>,
    /// Since when there is such a row.
    pub created: Wall,
    /// When it was last advertised, withdrawn, approved, revoked, or won or lost its prefix.
    pub updated: Wall,
    /// When it went with its node.
    pub deleted: Option<Wall>,
}

/// An approval that ended with its route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WasEnabled {
    /// Whose it was.
    pub by: By,
    /// Since when.
    pub since: Wall,
    /// Until when.
    pub until: Wall,
}

impl fmt::Display for WasEnabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "was enabled until {} by {}", Shown(self.until), self.by)
    }
}

/// A time for people: RFC 3339, or milliseconds where the calendar ends.
struct Shown(Wall);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0.0) * 1_000_000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        match time.and_then(|t| t.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms", self.0.0),
        }
    }
}

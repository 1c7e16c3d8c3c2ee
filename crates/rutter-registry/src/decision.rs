//! What people and rules decided, and which routes were the best: what a table can't be told
//! again by its sources.

use async_trait::async_trait;
use rutter_route::{
    AnyDestination, By, Decision, PathId, RouteKey, SourceId, TableName, ViewName, Wall,
};

use crate::{Note, Page, Result};

/// The most decisions that are kept for one table. One more is refused: they are security state,
/// so none gives way silently.
pub const MAX_DECISIONS_OF_TABLE: usize = 100_000;

/// A word on (source, destination) or on a whole source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    /// In which table.
    pub table: TableName,
    /// On which source.
    pub source: SourceId,
    /// On which of its destinations; `None`: the whole source.
    pub destination: Option<AnyDestination>,
    /// What. [`Decision::Clear`] is never stored: it removes.
    pub decision: Decision,
    /// Whose word it is.
    pub by: By,
    /// Why.
    pub why: Note,
    /// When.
    pub at: Wall,
}

/// What a decision is about. One of each stands at a time, by a person and by a rule each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Whether it may be used: approve, revoke.
    Approval,
    /// How much it is preferred.
    Preference,
    /// Whether it is to be used last.
    Drain,
}

impl Aspect {
    /// What the decision is about; `None` for [`Decision::Clear`], which is about all of it.
    pub fn of(decision: Decision) -> Option<Self> {
        match decision {
            Decision::Approve | Decision::Revoke => Some(Self::Approval),
            Decision::Prefer(_) => Some(Self::Preference),
            Decision::Drain => Some(Self::Drain),
            Decision::Clear => None,
        }
    }

    /// The aspect as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Preference => "preference",
            Self::Drain => "drain",
        }
    }
}

/// The number of a decision: where it stands in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionNumber(pub u64);

/// Decisions, wherever they are stored.
#[async_trait]
pub trait Decisions: Send + Sync {
    /// Stores a decision in the place of the one before on the same aspect by the same kind of
    /// author. [`Decision::Clear`] removes what stands: a person's all of it, a rule's only what
    /// rules said.
    ///
    /// # Errors
    /// [`Bound`](crate::Error::Bound) over [`MAX_DECISIONS_OF_TABLE`].
    async fn decide(&self, record: DecisionRecord) -> Result<()>;

    /// Takes back one aspect, as a withdrawal does with an approval; how many stood.
    async fn undecide(
        &self,
        table: &TableName,
        source: &SourceId,
        destination: Option<&AnyDestination>,
        aspect: Aspect,
    ) -> Result<usize>;

    /// Removes all decisions and incumbents of a source that is gone for good, in every table.
    async fn forget_source(&self, source: &SourceId) -> Result<()>;

    /// A table's decisions in the order in which they were made: replayed so, they give the
    /// state that stood.
    async fn decisions(
        &self,
        table: &TableName,
        page: Page<DecisionNumber>,
    ) -> Result<Vec<(DecisionNumber, DecisionRecord)>>;
}

/// The best route of a destination in one view, for tables that stick to it. There is one of each
/// table, view and destination at most, so the table's own bounds are theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incumbent {
    /// In which table.
    pub table: TableName,
    /// In which of its views.
    pub view: ViewName,
    /// Of which destination.
    pub destination: AnyDestination,
    /// Which route.
    pub route: RouteKey,
}

impl Incumbent {
    /// The route's source.
    pub fn source(&self) -> &SourceId {
        &self.route.source
    }

    /// The route's path.
    pub fn path(&self) -> &PathId {
        &self.route.path
    }
}

/// Incumbents, wherever they are stored.
#[async_trait]
pub trait Incumbents: Send + Sync {
    /// Stores incumbents, each in the place of the one before of its table, view and destination:
    /// all of them or none.
    async fn put_incumbents(&self, incumbents: Vec<Incumbent>) -> Result<()>;

    /// Removes the incumbent of a destination; whether there was one.
    async fn remove_incumbent(
        &self,
        table: &TableName,
        view: &ViewName,
        destination: &AnyDestination,
    ) -> Result<bool>;

    /// A table's incumbents, ordered by view and destination.
    async fn incumbents(
        &self,
        table: &TableName,
        page: Page<(ViewName, AnyDestination)>,
    ) -> Result<Vec<Incumbent>>;
}

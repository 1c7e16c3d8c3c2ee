//! The catalogue: the routes of all providers, judged together and told to the table.
//!
//! ```text
//!  files ──┐            ┌─ judged: who has which place ─▶ table `services` ─▶ gateway
//!  docker ─┼─ Reading ─▶│ catalogue (one task)
//!  registry┘            └─ after the commit ─▶ pools of the registry, monitors
//! ```
//!
//! One task owns it. A provider says all that it has ([`Catalogue::says`]); what is equal to what
//! stands is no change, so an edit of one route among a hundred thousand costs that route and
//! those that want its places. Losers are told to the table too, and denied there by a rule that
//! names the winner; refused routes are told as holes, so nobody else is served in their places.

use rutter_book::{BookClosed, BookHandle};
use rutter_route::TableName;
use tokio_util::sync::CancellationToken;

use crate::monitor::Monitors;
use crate::registry::Registry;
use crate::{ProviderId, Reading};

/// A handle on the catalogue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalogue {
    // H1
}

/// A provider as the configuration names it.
#[derive(Debug, Clone)]
pub struct ProviderInfo {
    /// Which.
    pub id: ProviderId,
    /// Its place in the configuration, the first strongest; each has its own.
    pub order: u32,
}

/// What became of what a provider said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// Routes that came, changed or went.
    pub n_changed: usize,
    /// Routes that stand.
    pub n_routes: usize,
    /// Of those, how many another has the place of.
    pub n_denied: usize,
    /// Routes that were refused.
    pub n_refused: usize,
    /// Routes that the table did not take, by its bounds.
    pub n_not_taken: usize,
}

impl Catalogue {
    /// Starts it. Its sources are in `table` of `book`.
    pub async fn start(
        _book: BookHandle,
        _table: TableName,
        _monitors: Monitors,
        _stop: CancellationToken,
    ) -> Result<Self, BookClosed> {
        todo!("H1")
    }

    /// A provider comes, before it says anything.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn begin(&self, _provider: ProviderInfo) -> Result<(), BookClosed> {
        todo!("H1")
    }

    /// All that a provider has now. Returns after the commit: whoever looks then sees it, in the
    /// table and in the registry.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn says(&self, _by: &ProviderId, _reading: Reading) -> Result<Said, BookClosed> {
        todo!("H1")
    }

    /// A provider can't be asked: what it said stands, and is stale in the table until it says
    /// something again.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn lost(&self, _provider: &ProviderId, _why: &str) -> Result<(), BookClosed> {
        todo!("H1")
    }

    /// A provider is no more: all that it said goes.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn gone(&self, _provider: &ProviderId) -> Result<(), BookClosed> {
        todo!("H1")
    }

    /// What everybody looks at.
    pub fn registry(&self) -> &Registry {
        todo!("H1")
    }
}

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
//!
//! Invariants:
//! - a destination's changes are one command to the book: never are two who want one place in
//!   service at once, nor is a hole open while it moves. Places that are no one destination (a port
//!   that streams of two names want) are taken away before they are given;
//! - who is answered sees what it said, in the table and in the registry;
//! - a provider that can't be asked withdraws nothing: its routes are stale.
//!
//! Bounds: [`QUEUE`] commands wait, over it who speaks waits. Routes are bounded by the table; one
//! that it does not take is shown as such, and its places stay its own.

mod differences;
mod error;
mod publish;
mod rows;
mod task;
mod tell;
#[cfg(test)]
mod tests;
mod why;

use rutter_book::BookHandle;
use rutter_route::TableName;
use smol_str::SmolStr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::monitor::{Monitors, Turned};
use crate::registry::{Entry, PoolKind, Registry, Shown};
use crate::{ProviderId, Reading, Route};

pub use error::CatalogueError;

/// Commands that wait.
pub const QUEUE: usize = 64;

/// A handle on the catalogue. Cheap to clone; the task ends with the last handle.
#[derive(Debug, Clone)]
pub struct Catalogue {
    commands: mpsc::Sender<Command>,
    registry: Registry,
}

/// A provider as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// Which.
    pub id: ProviderId,
    /// Its place in the configuration, the first strongest; each has its own. `u32::MAX` is the
    /// registry's.
    pub order: u32,
}

/// What became of what a provider said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// Routes that came, changed or went by the last word.
    pub n_changed: usize,
    /// Routes that stand, with those that have no place.
    pub n_routes: usize,
    /// Of those, how many another has the place of.
    pub n_denied: usize,
    /// Routes that were refused.
    pub n_refused: usize,
    /// Routes that are shown and not served.
    pub n_excluded: usize,
    /// Routes that the table did not take, by its bounds.
    pub n_not_taken: usize,
}

/// The monitors that the catalogue tells whom to watch, and what they say.
#[derive(Debug)]
pub struct Watching {
    /// The monitors.
    pub monitors: Monitors,
    /// What they say.
    pub turned: mpsc::Receiver<Turned>,
}

impl Catalogue {
    /// Starts it. Its sources are in `table` of `book`, which must be a table of services. Without
    /// monitors every status stays `unknown`.
    ///
    /// # Errors
    /// The book is closed, or has no such table.
    pub async fn start(
        book: BookHandle,
        table: TableName,
        watching: Option<Watching>,
        stop: CancellationToken,
    ) -> Result<Self, CatalogueError> {
        let (commands, heard) = mpsc::channel(QUEUE);
        let shown = Arc::new(Shown::new());
        let registry = Registry::new(shown.clone(), commands.clone());
        task::start(book, table, watching, shown, heard, stop).await?;
        Ok(Self { commands, registry })
    }

    /// A provider comes, before it says anything, or has another place in the configuration.
    ///
    /// # Errors
    /// The catalogue has ended, or another provider has that place.
    pub async fn begin(&self, provider: ProviderInfo) -> Result<(), CatalogueError> {
        ask(&self.commands, |answer| Command::Begin { provider, answer }).await?
    }

    /// All that a provider has now. Returns after the commit: whoever looks then sees it, in the
    /// table and in the registry. Of two of one name the first counts, and of a name that is
    /// refused and stands the refusal.
    ///
    /// # Errors
    /// The catalogue has ended, or the provider has not begun.
    pub async fn says(&self, by: &ProviderId, reading: Reading) -> Result<Said, CatalogueError> {
        let (by, reading) = (by.clone(), Box::new(reading));
        ask(&self.commands, |answer| Command::Says { by, reading, answer }).await?
    }

    /// A provider can't be asked: what it said stands, and is stale in the table until it says
    /// something again.
    ///
    /// # Errors
    /// The catalogue has ended, or the provider has not begun.
    pub async fn lost(&self, provider: &ProviderId, why: &str) -> Result<(), CatalogueError> {
        let (provider, why) = (provider.clone(), why.to_owned());
        ask(&self.commands, |answer| Command::Lost { provider, why, answer }).await?
    }

    /// A provider is no more: all that it said goes.
    ///
    /// # Errors
    /// The catalogue has ended, or the provider has not begun.
    pub async fn gone(&self, provider: &ProviderId) -> Result<(), CatalogueError> {
        let provider = provider.clone();
        ask(&self.commands, |answer| Command::Gone { provider, answer }).await?
    }

    /// What everybody looks at.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// How a command is answered.
pub(crate) type Answer<T> = oneshot::Sender<T>;

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Command {
    Begin { provider: ProviderInfo, answer: Answer<Result<(), CatalogueError>> },
    Says { by: ProviderId, reading: Box<Reading>, answer: Answer<Result<Said, CatalogueError>> },
    Lost { provider: ProviderId, why: String, answer: Answer<Result<(), CatalogueError>> },
    Gone { provider: ProviderId, answer: Answer<Result<(), CatalogueError>> },
    Add { route: Box<Route>, answer: Answer<Arc<Entry>> },
    Del { name: SmolStr, answer: Answer<bool> },
    Clear { pool: Option<PoolKind>, answer: Answer<usize> },
}

/// Tells the task and waits for its answer.
pub(crate) async fn ask<T>(
    commands: &mpsc::Sender<Command>,
    command: impl FnOnce(Answer<T>) -> Command,
) -> Result<T, CatalogueError> {
    let (answer, answered) = oneshot::channel();
    commands.send(command(answer)).await.map_err(|_| CatalogueError::Ended)?;
    answered.await.map_err(|_| CatalogueError::Ended)
}

//! What runs: the speaker attached to the book, and tasks that do what it wants done.

use rutter_book::BookHandle;

use crate::{FabricConfig, FabricError, FabricHandle};

/// Begins to speak with neighbours. The tables that are carried are in the book.
///
/// # Errors
/// What the configuration names can't be had; nothing was begun.
pub async fn start(_config: FabricConfig, _book: BookHandle) -> Result<FabricHandle, FabricError> {
    todo!("H6")
}

//! An engine's events, read as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::DockerError;
use super::engine::Events;
use super::map::{Changed, changed};

/// How many events wait; of more it isn't known whose they were, so all is listed.
const MAX_WAITING: usize = 1024;

/// The changes that an engine's events tell of, read as fast as they come: engines drop what a
/// slow listener leaves waiting.
pub(super) struct Changes {
    waiting: mpsc::Receiver<Result<Changed, DockerError>>,
    were_missed: Arc<AtomicBool>,
    _reader: AbortOnDropHandle<()>,
}

impl Changes {
    pub(super) fn of(events: Events) -> Self {
        let (to, waiting) = mpsc::channel(MAX_WAITING);
        let were_missed = Arc::new(AtomicBool::new(false));
        let reader = tokio::spawn(read(events, to, were_missed.clone()));
        Self { waiting, were_missed, _reader: AbortOnDropHandle::new(reader) }
    }

    /// Whose state changed.
    pub(super) async fn next(&mut self) -> Result<Changed, DockerError> {
        self.waiting.recv().await.unwrap_or(Err(DockerError::Ended))
    }

    /// Whether there were changes since the last question of which it isn't known whose.
    pub(super) fn were_missed(&self) -> bool {
        self.were_missed.swap(false, Ordering::AcqRel)
    }
}

async fn read(
    mut events: Events,
    to: mpsc::Sender<Result<Changed, DockerError>>,
    were_missed: Arc<AtomicBool>,
) {
    loop {
        match events.next().await.map(changed) {
            Ok(None) => {}
            Ok(Some(changed)) => match to.try_send(Ok(changed)) {
                Ok(()) => {}
                // The others wait, so whoever takes them sees this too.
                Err(mpsc::error::TrySendError::Full(_)) => {
                    were_missed.store(true, Ordering::Release);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            },
            Err(error) => {
                let _ = to.send(Err(error)).await;
                return;
            }
        }
    }
}

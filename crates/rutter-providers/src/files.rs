//! Files of routes, watched: what is in a file is what its provider says.
//!
//! ```text
//!  kernel ── closed, renamed, gone ──▶ settling ── read now ──▶ reading ──▶ told
//!  looks each few seconds ───────────▶ (pure)                   (thread)     │ + what Enriches adds
//!                                                                            ▼
//!                                                                        catalogue
//! ```
//!
//! A file is read when it is closed or renamed to its name, so what is in it is served within
//! milliseconds, and never a part of it. A text that is the one before is no change. What can't be
//! read changes nothing of what stands: a file that is broken keeps its last good reading, and its
//! provider counts as lost until it is good again. The original reloads all routes of a file on any event, and drops
//! them when the file can't be read.
//!
//! A file that isn't there is waited for; its provider is lost as well, and has no routes.

mod log;
mod read;
mod settle;
mod task;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rutter_route::Wall;
use tokio::sync::{mpsc, watch as signal};
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Catalogue, CatalogueError, ProviderInfo, Said};
use crate::godoxy::Settings;
use crate::{Enriches, ProviderId, Reading};

pub use settle::FileStanding;
use settle::Tell;
use task::Task;

/// How many readings may wait to be heard; then files are read later.
const QUEUE: usize = 16;

/// The variables that may stand in files.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Which files, and how they are read.
#[derive(Clone)]
pub struct FilesConfig {
    /// The files, each a provider of its own.
    pub files: Vec<RouteFile>,
    /// What holds for all their routes.
    pub settings: Settings,
    /// The variables that may stand in them.
    pub variables: Variables,
    /// Who adds to what was written.
    pub enriches: Option<Arc<dyn Enriches>>,
}

/// A file of routes.
#[derive(Debug, Clone)]
pub struct RouteFile {
    /// Whose routes they are.
    pub provider: ProviderInfo,
    /// Where it is. Its folder is watched, and waited for if it isn't there.
    pub path: PathBuf,
}

/// How a file is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Whose routes are in it.
    pub provider: ProviderId,
    /// Where it is.
    pub path: PathBuf,
    /// How it is.
    pub standing: FileStanding,
    /// How many routes its last good reading had.
    pub n_routes: usize,
    /// How many of that were refused.
    pub n_refused: usize,
    /// When that was, in seconds of the wall's clock; 0: never.
    pub read_at: u64,
}

/// What is told of files.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// All that a provider has now.
    Reading {
        /// Who.
        provider: ProviderId,
        /// What.
        reading: Reading,
    },
    /// A provider's file can't be read; what was in it stands.
    Lost {
        /// Whose.
        provider: ProviderId,
        /// Which file, and why.
        why: String,
    },
    /// A provider's file isn't there; what was in it goes.
    Gone {
        /// Whose.
        provider: ProviderId,
        /// Which file.
        why: String,
    },
    /// Each file was tried once.
    AllRead,
}

/// A handle on the files that are watched. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    statuses: Mutex<Vec<FileStatus>>,
    is_loaded: signal::Sender<bool>,
}

impl Files {
    /// Reads files and watches them until `stop`; what they say goes to the catalogue. What was
    /// said stands after that, until the catalogue hears that a provider is gone.
    ///
    /// # Errors
    /// The catalogue takes a provider not: its book is closed, or two have one place. Nothing is
    /// watched then.
    pub async fn start(
        config: FilesConfig,
        catalogue: Catalogue,
        stop: CancellationToken,
    ) -> Result<Self, CatalogueError> {
        for file in &config.files {
            catalogue.begin(file.provider.clone()).await?;
        }
        let (files, mut hear) = Self::read(config, stop.clone());
        let shared = files.shared.clone();
        tokio::spawn(async move {
            let forward = async {
                while let Some(told) = hear.recv().await {
                    tell(&catalogue, told, &shared).await?;
                }
                Ok::<_, CatalogueError>(())
            };
            tokio::select! {
                () = stop.cancelled() => {}
                told = forward => {
                    if let Err(error) = told {
                        tracing::error!(%error, "what files say isn't heard any more");
                    }
                }
            }
        });
        Ok(files)
    }

    /// Reads and watches; whoever has the receiver hears.
    pub(crate) fn read(
        config: FilesConfig,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<Told>) {
        let (tell, hear) = mpsc::channel(QUEUE);
        let statuses = config.files.iter().map(FileStatus::new).collect();
        let (is_loaded, _) = signal::channel(false);
        let shared = Arc::new(Shared { statuses: Mutex::new(statuses), is_loaded });
        let task = Task::new(Arc::new(config), shared.clone(), tell);
        tokio::spawn(task.run(stop));
        (Self { shared }, hear)
    }

    /// How each file is, in the order of the configuration.
    pub fn statuses(&self) -> Vec<FileStatus> {
        self.shared.lock().clone()
    }

    /// Waits until each file was tried once, and what was in it is in the table.
    pub async fn loaded(&self) {
        let mut is_loaded = self.shared.is_loaded.subscribe();
        // Its sender is held by `self`.
        let _ = is_loaded.wait_for(|is_loaded| *is_loaded).await;
    }
}

async fn tell(catalogue: &Catalogue, told: Told, shared: &Shared) -> Result<(), CatalogueError> {
    match told {
        Told::Reading { provider, reading } => {
            catalogue.says(&provider, reading).await?;
        }
        Told::Lost { provider, why } => catalogue.lost(&provider, &why).await?,
        Told::Gone { provider, why } => {
            let known = catalogue.registry().providers();
            let stands = |said: &Said| said.n_routes + said.n_refused + said.n_excluded > 0;
            if known.iter().any(|known| *known.id == provider && stands(&known.said)) {
                catalogue.says(&provider, Reading::default()).await?;
                catalogue.lost(&provider, &why).await?;
            }
        }
        Told::AllRead => {
            shared.is_loaded.send_replace(true);
        }
    }
    Ok(())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<FileStatus>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how a file is.
    fn note(&self, n: usize, standing: &FileStanding, tell: Option<&Tell>, now: Wall) {
        let mut statuses = self.lock();
        let Some(status) = statuses.get_mut(n) else { return };
        status.standing = standing.clone();
        match tell {
            Some(Tell::Reading(reading)) => {
                status.n_routes = reading.routes.len();
                status.n_refused = reading.refused.len();
                status.read_at = now.0 / 1000;
            }
            Some(Tell::Gone) => (status.n_routes, status.n_refused) = (0, 0),
            Some(Tell::Lost(_)) | None => {}
        }
    }
}

impl FileStatus {
    fn new(file: &RouteFile) -> Self {
        Self {
            provider: file.provider.id.clone(),
            path: file.path.clone(),
            standing: FileStanding::Unread,
            n_routes: 0,
            n_refused: 0,
            read_at: 0,
        }
    }
}

impl fmt::Debug for FilesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables may be secrets.
        f.debug_struct("FilesConfig").field("files", &self.files).finish_non_exhaustive()
    }
}

//! What of the fabric outlives a restart, in one directory.
//!
//! | file | what |
//! | --- | --- |
//! | `incarnation` | the number of the last boot |
//! | `keys.json` | the registry of keys, as [`KeyRegistry::to_kept`] writes it |
//! | `sources.json` | what each provider of keys said last |
//! | `lock` | held by the process that uses the directory |
//!
//! A file is replaced as a whole: written beside, synced, renamed, and its directory synced; so a
//! crash leaves the old or the new one. One that can't be read refuses the start: beginning anew
//! would trust keys that were revoked, and be taken for an older boot by all neighbours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use rutter_protocol::keys::KeyRegistry;
use rutter_route::{Now, Wall};

use crate::FabricError;

/// The directory, locked for this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    path: PathBuf,
    _lock: Arc<File>,
}

impl State {
    /// Makes the directory where it isn't there, for its owner alone, and locks it.
    ///
    /// # Errors
    /// It can't be made or locked: another process uses it.
    pub fn open(path: &Path) -> Result<Self, FabricError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(path, &error))?;
        let at = path.join("lock");
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&at);
        let lock = lock.map_err(|error| failed(&at, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: Arc::new(lock) }),
            Err(error) => Err(FabricError::State {
                path: path.display().to_string(),
                why: format!("another process uses it: {error}"),
            }),
        }
    }

    /// The number of this boot: greater than of any before, and not less than the wall's seconds, so
    /// that one whose state was lost is newer still. It is on disk before it is returned.
    ///
    /// # Errors
    /// What stands there can't be read, or the new one can't be written.
    pub fn next_incarnation(&self, wall: Wall) -> Result<u64, FabricError> {
        let at = self.path.join("incarnation");
        let stored = match self.read("incarnation")? {
            None => 0,
            Some(text) => text.trim().parse::<u64>().map_err(|_| FabricError::State {
                path: at.display().to_string(),
                why: "expected the number of the last boot".into(),
            })?,
        };
        let next = stored.saturating_add(1).max(wall.0 / 1_000);
        self.write("incarnation", format!("{next}\n").as_bytes())?;
        Ok(next)
    }

    /// The keys that were kept; none where there is no file yet.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn registry(&self, now: Now) -> Result<KeyRegistry, FabricError> {
        let Some(text) = self.read("keys.json")? else { return Ok(KeyRegistry::default()) };
        KeyRegistry::from_kept(now, &text).map_err(|error| FabricError::State {
            path: self.path.join("keys.json").display().to_string(),
            why: error.to_string(),
        })
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<String>, FabricError> {
        let at = self.path.join(name);
        match fs::read_to_string(&at) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&at, &error)),
        }
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FabricError> {
        replace(&self.path.join(name), bytes)
    }
}

/// Replaces a file as a whole, for its owner alone; it is on disk when this returns.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FabricError> {
    let write = || {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        match path.parent() {
            Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    };
    write().map_err(|error: io::Error| failed(path, &error))
}

pub(super) fn failed(path: &Path, error: &io::Error) -> FabricError {
    FabricError::State { path: path.display().to_string(), why: error.to_string() }
}

/// Writes the registry on a thread of its own: the owner of the book never waits for a disk.
///
/// What is to be kept overwrites what isn't written yet, so its room is that of two registries. A
/// write that fails is logged and tried again with the next.
#[derive(Debug)]
pub struct Keeper {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    tray: Mutex<Tray>,
    is_laid: Condvar,
}

#[derive(Debug, Default)]
struct Tray {
    keys: Option<String>,
    is_over: bool,
}

impl Keeper {
    /// Begins.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(state: State) -> Result<Self, FabricError> {
        let desk = Arc::new(Desk::default());
        let at_desk = desk.clone();
        let thread = std::thread::Builder::new().name("fabric-keeper".into());
        let thread = thread.spawn(move || at_desk.work(&state)).map_err(|error| {
            FabricError::State { path: "keys.json".into(), why: format!("no thread: {error}") }
        })?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// This is to be kept, as [`KeyRegistry::to_kept`] gives it. It never waits.
    pub fn keep(&self, keys: String) {
        self.desk.change(|tray| tray.keys = Some(keys));
    }

    /// Ends when all is written.
    pub fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        self.desk.change(|tray| tray.is_over = true);
        if let Some(thread) = self.thread.take() {
            // It doesn't panic; and if it did, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Desk {
    fn change(&self, by: impl FnOnce(&mut Tray)) {
        by(&mut self.tray.lock().unwrap_or_else(PoisonError::into_inner));
        self.is_laid.notify_all();
    }

    fn work(&self, state: &State) {
        loop {
            let tray = self.tray.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = |tray: &mut Tray| tray.keys.is_none() && !tray.is_over;
            let waited = self.is_laid.wait_while(tray, is_idle);
            let Some(keys) = waited.unwrap_or_else(PoisonError::into_inner).keys.take() else {
                return;
            };
            if let Err(error) = state.write("keys.json", keys.as_bytes()) {
                tracing::error!(%error, "keys of clusters can't be kept");
            }
        }
    }
}

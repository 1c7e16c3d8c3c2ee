//! What the kernel says of folders, as marks on the files in them.
//!
//! The watcher's thread only sets marks, of which there are never more than files: who is slow to
//! look at them misses nothing and holds up nobody. When the kernel has no room for what it would
//! say (`IN_Q_OVERFLOW`), or for another watch, files are looked at as often as need be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, Flag, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::read::Print;

/// What happened to files since somebody looked.
#[derive(Debug, Default)]
pub(super) struct Marked {
    /// Those that are to be read, whether they were written before or not.
    pub(super) touched: BTreeSet<usize>,
    /// Those that are being written.
    pub(super) written: BTreeSet<usize>,
    /// Those whose rights or times were set, perhaps in the midst of writing.
    pub(super) set: BTreeSet<usize>,
    /// Whether all must be looked at: something came into a folder that one of them may lead
    /// through.
    pub(super) looks: bool,
    /// Whether something may have been missed.
    pub(super) has_missed: bool,
}

/// What the watcher's thread leaves for others.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marked: Mutex<Marked>,
    are_there: Notify,
    /// How often each file was opened, as far as the kernel's words were heard.
    opened: Mutex<Vec<u64>>,
    is_opened: Condvar,
}

/// The folders of files, watched.
#[derive(Debug)]
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    marks: Arc<Marks>,
    /// What is watched there, to see when it is replaced; `None`: it isn't watched.
    folders: BTreeMap<PathBuf, Option<Print>>,
}

impl Folders {
    /// Watches the folders of these files, as far as they are there.
    pub(super) fn watch<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut folders = BTreeMap::new();
        let mut by_path = HashMap::new();
        for (n, file) in files.enumerate() {
            let folder = match file.parent() {
                Some(folder) if folder != Path::new("") => folder.to_owned(),
                _ => PathBuf::from("."),
            };
            by_path.insert(folder.join(file.file_name().unwrap_or_default()), n);
            folders.insert(folder, None);
        }
        let opened = Mutex::new(vec![0; by_path.len()]);
        let marks = Arc::new(Marks { opened, ..Marks::default() });
        let told = marks.clone();
        let made = notify::recommended_watcher(move |event| told.mark(&by_path, event));
        let watcher = made
            .inspect_err(|error| tracing::warn!(%error, "files are looked at, not watched"))
            .ok();
        let mut all = Self { watcher, marks, folders };
        all.renew();
        all
    }

    /// Watches what came since, and what was replaced. Whether all is watched now.
    pub(super) fn renew(&mut self) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let mut all = true;
        for (folder, watched) in &mut self.folders {
            let is = Print::of_folder(folder);
            if is.is_some() && *watched == is {
                continue;
            }
            if watched.take().is_some() {
                // It is another folder by now, so the watch may be gone already.
                let _ = watcher.unwatch(folder);
                self.marks.lock().looks = true;
            }
            if is.is_some() && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok() {
                *watched = is;
                self.marks.lock().looks = true;
                self.marks.are_there.notify_one();
            } else {
                all = false;
            }
        }
        all
    }

    /// What the watcher's thread leaves.
    pub(super) fn marks(&self) -> Arc<Marks> {
        self.marks.clone()
    }

    /// Waits until something may have happened.
    pub(super) async fn are_marked(&self) {
        self.marks.are_there.notified().await;
    }

    /// Takes what happened.
    pub(super) fn take(&self) -> Marked {
        std::mem::take(&mut *self.marks.lock())
    }
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, Marked> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was heard that a file was opened.
    pub(super) fn n_opened(&self, file: usize) -> u64 {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(file).copied().unwrap_or(0)
    }

    /// Blocks until it is heard that a file was opened once more than `n`, for that long at most.
    /// Whether it was.
    ///
    /// The kernel's words come in order: who opened a file and hears of that has heard all that
    /// happened to it before.
    pub(super) fn wait_until_opened(&self, file: usize, n: u64, at_most: Duration) -> bool {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let is_waiting = |opened: &mut Vec<u64>| opened.get(file).is_some_and(|heard| *heard <= n);
        let waited = self.is_opened.wait_timeout_while(opened, at_most, is_waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn note_opened(&self, files: impl Iterator<Item = usize>) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            if let Some(n) = opened.get_mut(file) {
                *n += 1;
            }
        }
        self.is_opened.notify_all();
    }

    fn mark(&self, by_path: &HashMap<PathBuf, usize>, event: notify::Result<notify::Event>) {
        if let Ok(notify::Event { kind: EventKind::Access(AccessKind::Open(_)), paths, .. }) =
            &event
        {
            return self.note_opened(paths.iter().filter_map(|path| by_path.get(path).copied()));
        }
        let mut marked = self.lock();
        match event {
            Ok(event) if event.flag() != Some(Flag::Rescan) => {
                if !marked.take(by_path, &event) {
                    return;
                }
            }
            Ok(_) | Err(_) => marked.has_missed = true,
        }
        drop(marked);
        self.are_there.notify_one();
    }
}

impl Marked {
    /// Whether it is worth waking anybody.
    fn take(&mut self, by_path: &HashMap<PathBuf, usize>, event: &notify::Event) -> bool {
        let files = event.paths.iter().filter_map(|path| by_path.get(path));
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_) => {
                // That it was written before stays said: who read it meanwhile must know.
                self.touched.extend(files);
            }
            EventKind::Modify(ModifyKind::Data(_)) => {
                for file in files {
                    self.touched.remove(file);
                    self.written.insert(*file);
                }
            }
            EventKind::Modify(ModifyKind::Metadata(_)) => self.set.extend(files),
            _ => {}
        }
        // What comes may be a link that files lead through, of which nothing else is told.
        self.looks |= matches!(
            event.kind,
            EventKind::Create(_)
                | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
        );
        !self.is_empty()
    }

    fn is_empty(&self) -> bool {
        let files = [&self.touched, &self.written, &self.set];
        files.iter().all(|files| files.is_empty()) && !self.looks && !self.has_missed
    }
}

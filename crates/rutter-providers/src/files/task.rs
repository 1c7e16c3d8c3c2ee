//! The task that reads files when they change.
//!
//! Reading and looking block, so both are done on threads for that: as many readings at once as
//! there are processors, one look. Whoever hears may be slow: then files are read later, and each
//! once, as it is by then.

use std::collections::BTreeSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{Clock, SystemClock};
use rutter_route::Mono;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Reading;

use super::read::{Found, Print, Read, is_link, read};
use super::settle::{Settling, Tell};
use super::watch::{Folders, Marks};
use super::{FilesConfig, Shared, Told};

/// How often files are looked at that are watched: for what nobody tells of, such as a change on
/// another host.
const CHECK: Duration = Duration::from_secs(5);

/// How often they are looked at while some can't be watched.
const CHECK_UNWATCHED: Duration = Duration::from_secs(1);

/// How long the kernel's words are waited for when a file was read. They take microseconds; none
/// come of what isn't watched.
const BARRIER: Duration = Duration::from_millis(10);

/// What was done on another thread.
enum Done {
    Read(usize, Read),
    Looked(Vec<(Option<Print>, bool)>),
}

pub(super) struct Task {
    config: Arc<FilesConfig>,
    shared: Arc<Shared>,
    folders: Folders,
    settling: Vec<Settling>,
    /// When each is to be read that is.
    wanted: BTreeSet<(Mono, usize)>,
    /// What was read, as it was written, if somebody adds to it.
    raw: Vec<Option<Reading>>,
    working: JoinSet<Done>,
    n_reading: usize,
    is_looking: bool,
    /// Whether something came while files were looked at.
    looks_again: bool,
    /// Files that were not tried yet.
    unread: BTreeSet<usize>,
    tell: mpsc::Sender<Told>,
}

/// Nobody hears any more.
struct NobodyHears;

impl Task {
    pub(super) fn new(
        config: Arc<FilesConfig>,
        shared: Arc<Shared>,
        tell: mpsc::Sender<Told>,
    ) -> Self {
        let now = SystemClock.now().mono;
        let n_files = config.files.len();
        Self {
            folders: Folders::watch(config.files.iter().map(|file| file.path.as_path())),
            settling: (0..n_files).map(|_| Settling::new(now)).collect(),
            wanted: (0..n_files).map(|n| (now, n)).collect(),
            raw: vec![None; n_files],
            working: JoinSet::new(),
            n_reading: 0,
            is_looking: false,
            looks_again: false,
            unread: (0..n_files).collect(),
            config,
            shared,
            tell,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            // It ends only when nobody hears.
            _ = self.work() => {}
        }
    }

    async fn work(&mut self) -> Result<(), NobodyHears> {
        let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut changes = self.config.enriches.as_ref().map(|enriches| enriches.changes());
        let mut next_check = SystemClock.now().mono;
        if self.unread.is_empty() {
            self.say(Told::AllRead).await?;
        }
        loop {
            let now = SystemClock.now().mono;
            if next_check <= now {
                let all_watched = self.folders.renew();
                next_check = now.after(if all_watched { CHECK } else { CHECK_UNWATCHED });
                self.look();
            }
            while self.n_reading < n_processors
                && let Some(n) = self.next_wanted(now)
            {
                self.start_reading(n, now);
            }
            let next_reading = self.wanted.first().filter(|_| self.n_reading < n_processors);
            let next = next_reading.map_or(next_check, |(at, _)| (*at).min(next_check));
            tokio::select! {
                () = self.folders.are_marked() => self.take_marks(),
                Some(done) = self.working.join_next(), if !self.working.is_empty() => {
                    // What happened before a file was read must count before what was read.
                    self.take_marks();
                    match done {
                        Ok(Done::Read(n, read)) => self.took(n, read).await?,
                        Ok(Done::Looked(prints)) => self.looked(&prints),
                        // None breaks, and nobody aborts one.
                        Err(_) => {}
                    }
                }
                () = changed(&mut changes) => self.enrich_again().await?,
                () = tokio::time::sleep(next.since(now)) => {}
            }
        }
    }

    fn next_wanted(&mut self, now: Mono) -> Option<usize> {
        let (at, n) = *self.wanted.first()?;
        (at <= now).then_some(n)
    }

    fn start_reading(&mut self, n: usize, now: Mono) {
        let config = self.config.clone();
        let Some(path) = config.files.get(n).map(|file| file.path.clone()) else { return };
        let known = self.on(n, |settling| settling.begin(now)).flatten();
        let marks = self.folders.marks();
        self.n_reading += 1;
        self.working.spawn_blocking(move || {
            let n_opened = marks.n_opened(n);
            let read = read(&path, known, &config.variables, &config.settings);
            if matches!(read.found, Found::Good(_)) {
                hear_of_writers(&marks, n, &path, n_opened);
            }
            Done::Read(n, read)
        });
    }

    async fn took(&mut self, n: usize, read: Read) -> Result<(), NobodyHears> {
        self.n_reading = self.n_reading.saturating_sub(1);
        let now = SystemClock.now();
        let Some(file) = self.config.files.get(n) else { return Ok(()) };
        let (id, path) = (file.provider.id.clone(), file.path.clone());
        let tell = self.on(n, |settling| settling.took(read, now.mono)).flatten();
        if let Some(standing) = self.settling.get(n).map(Settling::standing) {
            self.shared.note(n, standing, tell.as_ref(), now.wall);
        }
        match tell {
            Some(Tell::Reading(reading)) => {
                super::log::say(&path, &reading);
                self.tell_of(n, id, reading).await?;
            }
            Some(Tell::Lost(why)) => {
                let why = format!("{}: {why}", path.display());
                self.say(Told::Lost { provider: id, why }).await?;
            }
            Some(Tell::Gone) => {
                if let Some(raw) = self.raw.get_mut(n) {
                    *raw = None;
                }
                let why = format!("{}: it isn't there; it is waited for", path.display());
                self.say(Told::Gone { provider: id, why }).await?;
            }
            None => {}
        }
        if self.unread.remove(&n) && self.unread.is_empty() {
            self.say(Told::AllRead).await?;
        }
        Ok(())
    }

    async fn tell_of(
        &mut self,
        n: usize,
        provider: crate::ProviderId,
        mut reading: Reading,
    ) -> Result<(), NobodyHears> {
        if let Some(enriches) = &self.config.enriches {
            if let Some(raw) = self.raw.get_mut(n) {
                *raw = Some(reading.clone());
            }
            enriches.enrich(&mut reading);
        }
        self.say(Told::Reading { provider, reading }).await
    }

    async fn enrich_again(&mut self) -> Result<(), NobodyHears> {
        for n in 0..self.raw.len() {
            let raw = self.raw.get_mut(n).and_then(Option::take);
            let id = self.config.files.get(n).map(|file| file.provider.id.clone());
            if let (Some(raw), Some(id)) = (raw, id) {
                self.tell_of(n, id, raw).await?;
            }
        }
        Ok(())
    }

    async fn say(&self, told: Told) -> Result<(), NobodyHears> {
        self.tell.send(told).await.map_err(|_| NobodyHears)
    }

    fn look(&mut self) {
        if std::mem::replace(&mut self.is_looking, true) {
            self.looks_again = true;
            return;
        }
        let config = self.config.clone();
        self.working.spawn_blocking(move || {
            let paths = config.files.iter().map(|file| &file.path);
            Done::Looked(paths.map(|path| (Print::of(path), is_link(path))).collect())
        });
    }

    fn looked(&mut self, prints: &[(Option<Print>, bool)]) {
        self.is_looking = false;
        let now = SystemClock.now().mono;
        for (n, (print, is_link)) in prints.iter().enumerate() {
            self.on(n, |settling| settling.looked(*print, *is_link, now));
        }
        if std::mem::take(&mut self.looks_again) {
            self.look();
        }
    }

    fn take_marks(&mut self) {
        let now = SystemClock.now().mono;
        let marked = self.folders.take();
        for n in marked.written {
            self.on(n, Settling::is_written);
        }
        for n in marked.touched {
            self.on(n, |settling| settling.touched(now));
        }
        for n in marked.set {
            self.on(n, |settling| settling.may_have_changed(now));
        }
        if marked.has_missed {
            for n in 0..self.settling.len() {
                self.on(n, |settling| settling.may_have_changed(now));
            }
        }
        if marked.looks {
            self.look();
        }
    }

    /// Does something to a file's state, and sees to it that it is read when it wants to be.
    fn on<T>(&mut self, n: usize, does: impl FnOnce(&mut Settling) -> T) -> Option<T> {
        let settling = self.settling.get_mut(n)?;
        if let Some(at) = settling.wanted() {
            self.wanted.remove(&(at, n));
        }
        let done = does(settling);
        if let Some(at) = settling.wanted() {
            self.wanted.insert((at, n));
        }
        Some(done)
    }
}

/// Waits until all is heard that happened to a file before now: somebody may have written into it
/// while it was read, and what was read may be a part. It is opened once more, and that is heard
/// last. Of what isn't watched nothing is heard, nor of where a link leads, and neither holds it up.
fn hear_of_writers(marks: &Marks, n: usize, path: &Path, n_opened: u64) {
    if path.is_symlink() || !marks.wait_until_opened(n, n_opened, BARRIER) {
        return;
    }
    let n_opened = marks.n_opened(n);
    if File::open(path).is_ok() {
        marks.wait_until_opened(n, n_opened, BARRIER);
    }
}

/// Waits for the next change of what is added; for ever, if nobody adds or will change anything.
async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    let is_over = match changes {
        Some(receiver) => receiver.changed().await.is_err(),
        None => return std::future::pending().await,
    };
    if is_over {
        *changes = None;
        std::future::pending().await
    }
}

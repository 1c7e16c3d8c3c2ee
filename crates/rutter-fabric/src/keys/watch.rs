//! Providers of keys, each asked by a task of its own; and what they say together, as it changes.
//!
//! A source is asked at the start, each refresh period, when somebody calls [`Watcher::look`], and,
//! where it is a file or a directory, when the kernel says that something happened there. One that
//! hangs holds up nobody else.
//!
//! Nothing is told before each source has answered or failed once: half of what is said would be
//! news to the registry, which takes news from a provider as a replacement. What each said last is
//! on disk, so one that fails from the start says what it said before the restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustls::RootCertStore;
use rutter_book::{Clock, SystemClock};
use rutter_protocol::keys::{KeyRecord, PublicKey};
use rutter_route::{ClusterId, Wall};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::sources::{Failures, Said, ask, from_json, id_of, to_json, union, written};
use super::state::State;
use super::url::Fetch;
use super::{Given, KeySource};
use crate::FabricError;

/// How long a directory has to be still: who writes several files is heard once.
const STILL: Duration = Duration::from_millis(50);

/// Where changes go: a cluster and all its keys, the primary first; none: they are taken back.
pub type Told = mpsc::Sender<(ClusterId, Vec<KeyRecord>)>;

/// See the module's head. Its tasks end when it goes.
#[derive(Debug)]
pub struct Watcher {
    looks: Vec<Arc<Notify>>,
    is_told: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Watcher {
    /// Begins to ask these sources. What they say of `own` is passed over: the signer knows better.
    ///
    /// # Errors
    /// What is kept of the sources can't be read.
    pub fn start(
        own: ClusterId,
        sources: Vec<KeySource>,
        refresh: Duration,
        state: &State,
        told: Told,
    ) -> Result<Self, FabricError> {
        Self::start_trusting(None, own, sources, refresh, state, told)
    }

    /// As [`Watcher::start`], with these roots for URLs; `None`: the system's.
    ///
    /// # Errors
    /// What is kept of the sources can't be read.
    pub fn start_trusting(
        roots: Option<RootCertStore>,
        own: ClusterId,
        mut sources: Vec<KeySource>,
        refresh: Duration,
        state: &State,
        told: Told,
    ) -> Result<Self, FabricError> {
        let mut seen = BTreeSet::new();
        sources.retain(|source| seen.insert(source.clone()));
        let mut kept = kept(state)?;
        // What was said of these may be taken back now, by a source that isn't asked any more too.
        let known = union(kept.values()).into_keys().map(|cluster| (cluster, None)).collect();
        let ids: Vec<String> = sources.iter().map(id_of).collect();
        kept.retain(|id, _| ids.contains(id));

        let (answers, answered) = mpsc::channel(16);
        let (is_first, is_told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut looks = Vec::new();
        let with_urls = sources.iter().any(|source| matches!(source, KeySource::Url(_)));
        let fetch = with_urls.then(|| Fetch::new(roots));
        for (source, id) in sources.into_iter().zip(&ids) {
            let look = Arc::new(Notify::new());
            let said = kept.get(id).cloned().unwrap_or_default();
            let fetch = fetch.clone();
            let asker = Asker { source, id: id.clone(), said, fetch, look: look.clone() };
            tasks.spawn(asker.run(refresh, answers.clone()));
            looks.push(look);
        }
        let merger = Merger { own, order: ids, said: kept, heard: 0, known, state: state.clone() };
        tasks.spawn(merger.run(answered, told, is_first));
        Ok(Self { looks, is_told, tasks })
    }

    /// Waits until each source has answered or failed once, and what they said was told.
    pub async fn first(&mut self) {
        // An error means that the task is gone: nobody has anything to say any more.
        let _ = self.is_told.wait_for(|is_told| *is_told).await;
    }

    /// Ends when nothing of it runs any more.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
    }

    /// Asks all of them now.
    pub fn look(&self) {
        self.looks.iter().for_each(|look| look.notify_one());
    }
}

/// What these sources say as far as it is known without asking: what each said last, and what stands
/// in the configuration. A [`Watcher`] then tells what has changed since.
///
/// # Errors
/// What is kept of the sources can't be read.
pub fn known(state: &State, sources: &[KeySource], wall: Wall) -> Result<Given, FabricError> {
    let mut kept = kept(state)?;
    let said = sources.iter().map(|source| match source {
        KeySource::Written(keys) => Said::from([(String::new(), written(keys, wall))]),
        _ => kept.remove(&id_of(source)).unwrap_or_default(),
    });
    Ok(union(said.collect::<Vec<_>>().iter()))
}

fn kept(state: &State) -> Result<BTreeMap<String, Said>, FabricError> {
    match state.read("sources.json")? {
        None => Ok(BTreeMap::new()),
        Some(text) => {
            from_json(&text).map_err(|why| FabricError::State { path: "sources.json".into(), why })
        }
    }
}

/// Asks one source.
struct Asker {
    source: KeySource,
    id: String,
    said: Said,
    fetch: Option<Fetch>,
    look: Arc<Notify>,
}

impl Asker {
    async fn run(mut self, refresh: Duration, answers: mpsc::Sender<(String, Said)>) {
        let mut eye = Eye::of(&self.source);
        let mut failing = Failures::new();
        loop {
            eye.renew(&self.look);
            let wall = SystemClock.now().wall;
            let failures = ask(&self.source, &mut self.said, self.fetch.as_ref(), wall).await;
            self.complain(&failing, &failures);
            failing = failures;
            if answers.send((self.id.clone(), self.said.clone())).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(refresh) => {}
                () = self.look.notified() => tokio::time::sleep(STILL).await,
            }
        }
    }

    /// Says what begins to fail, fails otherwise, or is well again: once.
    fn complain(&self, before: &Failures, now: &Failures) {
        for (unit, why) in now.iter().filter(|(unit, why)| before.get(*unit) != Some(*why)) {
            tracing::warn!(source = %self.source, unit, why, "keys can't be had; what was known stays");
        }
        for unit in before.keys().filter(|unit| !now.contains_key(*unit)) {
            tracing::info!(source = %self.source, unit, "keys can be had again");
        }
    }
}

/// What the kernel says of a file's or a directory's folder.
struct Eye {
    folder: Option<PathBuf>,
    watching: Option<(RecommendedWatcher, (u64, u64))>,
}

impl Eye {
    fn of(source: &KeySource) -> Self {
        let folder = match source {
            KeySource::Directory(path) => Some(path.clone()),
            KeySource::File(path) => Some(match path.parent() {
                Some(folder) if folder != Path::new("") => folder.to_owned(),
                _ => PathBuf::from("."),
            }),
            KeySource::Command(_) | KeySource::Url(_) | KeySource::Written(_) => None,
        };
        Self { folder, watching: None }
    }

    /// Watches the folder that is there now. Where that can't be had, the refresh period finds what
    /// changes.
    fn renew(&mut self, look: &Arc<Notify>) {
        use std::os::unix::fs::MetadataExt;
        let Some(folder) = &self.folder else { return };
        let Ok(is) = std::fs::metadata(folder).map(|meta| (meta.dev(), meta.ino())) else {
            self.watching = None;
            return;
        };
        if self.watching.as_ref().is_some_and(|(_, watched)| *watched == is) {
            return;
        }
        let look = look.clone();
        let heard = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_news(event.kind)) {
                look.notify_one();
            }
        };
        let made = notify::recommended_watcher(heard).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        self.watching = made.ok().map(|watcher| (watcher, is));
    }
}

/// Reading is no news: it is what this does itself.
fn is_news(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Joins what all say, and tells what changes.
struct Merger {
    own: ClusterId,
    /// The sources' ids, as they are configured.
    order: Vec<String>,
    said: BTreeMap<String, Said>,
    heard: usize,
    /// What was told of each cluster; `None`: something, in another life.
    known: BTreeMap<ClusterId, Option<Words>>,
    state: State,
}

/// What makes a provider's word news: when a key was read is none.
type Words = Vec<(PublicKey, Option<Wall>)>;

impl Merger {
    async fn run(
        mut self,
        mut answered: mpsc::Receiver<(String, Said)>,
        told: Told,
        is_first: watch::Sender<bool>,
    ) {
        let mut first = BTreeMap::new();
        loop {
            if self.heard >= self.order.len() {
                if self.tell(&told).await.is_err() {
                    return;
                }
                is_first.send_replace(true);
            }
            let Some((id, said)) = answered.recv().await else { return };
            if first.insert(id.clone(), ()).is_none() {
                self.heard += 1;
            }
            if self.said.get(&id) != Some(&said) {
                self.said.insert(id, said);
                self.keep().await;
            }
        }
    }

    async fn keep(&self) {
        let json = to_json(&self.said, SystemClock.now().wall);
        let state = self.state.clone();
        let written =
            tokio::task::spawn_blocking(move || state.write("sources.json", json.as_bytes()));
        if let Ok(Err(error)) = written.await {
            tracing::error!(%error, "what providers of keys say can't be kept");
        }
    }

    async fn tell(
        &mut self,
        told: &Told,
    ) -> Result<(), mpsc::error::SendError<(ClusterId, Vec<KeyRecord>)>> {
        let union = union(self.order.iter().filter_map(|id| self.said.get(id)));
        let gone: Vec<ClusterId> =
            self.known.keys().filter(|cluster| !union.contains_key(*cluster)).cloned().collect();
        let taken_back = gone.into_iter().map(|cluster| (cluster, Vec::new()));
        let all: Given = union.into_iter().chain(taken_back).collect();
        for (cluster, keys) in all {
            let words: Words = keys.iter().map(|record| (record.key, record.expires_at)).collect();
            let is_known = self.known.get(&cluster).is_some_and(|had| had.as_ref() == Some(&words));
            if is_known || cluster == self.own {
                continue;
            }
            told.send((cluster.clone(), keys)).await?;
            if words.is_empty() {
                self.known.remove(&cluster);
            } else {
                self.known.insert(cluster, Some(words));
            }
        }
        Ok(())
    }
}

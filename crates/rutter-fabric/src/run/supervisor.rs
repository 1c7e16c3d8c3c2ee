//! Who keeps the tasks in step with the configuration: dialers, sources of keys, what TLS shows.
//!
//! Commands come one at a time, so a reload never meets an end half-way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_link::SharedIdentity;
use rutter_protocol::keys::PublicKey;
use rutter_protocol::speaker::{Input, Parting};
use rutter_route::ClusterId;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Keys, PARTING, keep_keys, key_sources};
use crate::keys::{Signer, State, Watcher};
use crate::known::Known;
use crate::station::{Shared, Told};
use crate::transport::{Dial, Wires, dial};
use crate::{FabricConfig, FabricError, Liveness, identity};

/// Clusters whose keys wait to be told.
const KEYS: usize = 64;

/// What the supervisor is asked.
pub(crate) enum Command {
    /// Another configuration.
    Reload(Box<FabricConfig>, oneshot::Sender<Result<(), FabricError>>),
    /// A new key.
    Rotate(Duration, oneshot::Sender<Result<PublicKey, FabricError>>),
    /// The end.
    End(Parting, oneshot::Sender<()>),
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reload(..) => "Reload",
            Self::Rotate(..) => "Rotate",
            Self::End(..) => "End",
        })
    }
}

/// See the module's head.
pub(super) struct Supervisor {
    pub(super) config: FabricConfig,
    pub(super) state: State,
    pub(super) signer: Signer,
    pub(super) shared: Shared,
    pub(super) wires: Wires,
    pub(super) known: Known,
    pub(super) identity: SharedIdentity,
    /// Which key TLS shows.
    pub(super) shown: PublicKey,
    pub(super) liveness: watch::Sender<Liveness>,
    pub(super) keep: Arc<Notify>,
    /// Cancelled when neighbours may hear of it.
    pub(super) speaks: CancellationToken,
    pub(super) ended: CancellationToken,
    /// One an address of a neighbour; dropped, it is dialled no more.
    pub(super) dialers: BTreeMap<(ClusterId, String), DropGuard>,
    pub(super) watcher: Option<Watcher>,
}

impl Supervisor {
    /// Begins to dial and to ask for keys.
    pub(super) async fn start(mut self, asked: mpsc::Receiver<Command>) -> Result<(), FabricError> {
        let (told, keys) = mpsc::channel(KEYS);
        self.watch(&told).await?;
        let (shared, keep) = (self.shared.clone(), self.keep.clone());
        let (state, ended) = (self.state.clone(), self.ended.clone());
        let keeper = tokio::spawn(keep_keys(state, shared, self.wires.book.clone(), keep, ended));
        // What was given with the configuration is to be kept too.
        self.keep.notify_one();
        tokio::spawn(async move {
            let answer = self.run(asked, told, keys).await;
            // Who is told of the end may begin anew: by then nothing of this holds the state.
            let _ended = keeper.await;
            let _gone = answer.map(|answer| answer.send(()));
        });
        Ok(())
    }

    /// Runs until the end; gives whoever is to be told of it.
    async fn run(
        mut self,
        mut asked: mpsc::Receiver<Command>,
        told: mpsc::Sender<Keys>,
        mut keys: mpsc::Receiver<Keys>,
    ) -> Option<oneshot::Sender<()>> {
        let mut begun = false;
        loop {
            let again = self.show().await;
            tokio::select! {
                () = self.speaks.cancelled(), if !begun => {
                    begun = true;
                    self.dial();
                }
                command = asked.recv() => match command {
                    Some(Command::Reload(config, answer)) => {
                        let _gone = answer.send(self.reload(*config, &told).await);
                    }
                    Some(Command::Rotate(overlap, answer)) => {
                        let _gone = answer.send(self.rotate(overlap).await);
                    }
                    Some(Command::End(parting, answer)) => {
                        self.end(parting).await;
                        return Some(answer);
                    }
                    // Nobody is left who could ask; the door holds a handle while it is open.
                    None => return None,
                },
                Some((cluster, keys)) = keys.recv() => {
                    if self.wires.tell(Input::Keys { cluster, keys }).await.is_err() {
                        return None;
                    }
                }
                () = wait(again) => {}
                () = self.ended.cancelled() => return None,
            }
        }
    }

    /// Has TLS show the key that it should show now; says for how long.
    async fn show(&mut self) -> Option<Duration> {
        let (own, shared) = (self.config.cluster.clone(), self.shared.clone());
        let active = self.wires.book.read(move |_, now| {
            let core = shared.core();
            let keys = core.speaker.keys();
            (keys.active(now, &own), keys.primary(now, &own).map(|(_, key)| key))
        });
        let (active, primary) = active.await.ok()?;
        let primary = primary.unwrap_or(self.signer.primary());
        let holds = |key: &PublicKey| self.signer.holds(&key.id());
        let (now, overlap) = (SystemClock.now(), self.config.security.key_overlap);
        let (shown, left) = identity::shown(&active, primary, holds, now, overlap);
        if shown != self.shown {
            match identity::certified(&self.signer, shown) {
                Ok(certified) => {
                    self.shown = shown;
                    self.identity.set(certified.clone());
                    let _over = self.wires.inputs.send(Told::Identity(certified)).await;
                    self.wires.book.wake();
                }
                Err(error) => tracing::error!(%error, "TLS goes on with the key before"),
            }
        }
        left
    }

    async fn reload(
        &mut self,
        to: FabricConfig,
        told: &mpsc::Sender<Keys>,
    ) -> Result<(), FabricError> {
        let links = to.neighbours.iter().map(|(n, is)| (n.clone(), is.spec.link)).collect();
        let fabric = super::fabric_table(&self.config)?;
        to.policy.compile(&self.config.cluster, &fabric, &links)?;
        let mut inputs = Vec::new();
        let specs = |of: &FabricConfig| {
            of.neighbours.iter().map(|(n, is)| (n.clone(), is.spec.clone())).collect()
        };
        let neighbours: BTreeMap<_, _> = specs(&to);
        if neighbours != specs(&self.config) {
            inputs.push(Input::Neighbours(neighbours));
        }
        if to.security != self.config.security {
            inputs.push(Input::Security(Box::new(to.security.clone())));
        }
        // Always: a table's own policy may have been replaced, which is merged anew.
        inputs.push(Input::Policy(Box::new(to.policy.clone())));
        self.apply(inputs).await?;
        let other_keys = key_sources(&to) != key_sources(&self.config)
            || to.key_refresh != self.config.key_refresh;
        let reloaded = Told::Reloaded { fallback: to.fallback_neighbour };
        let _over = self.wires.inputs.send(reloaded).await;
        self.wires.book.wake();
        self.config = FabricConfig {
            neighbours: to.neighbours,
            security: to.security,
            policy: to.policy,
            liveness: to.liveness,
            key_sources: to.key_sources,
            key_refresh: to.key_refresh,
            fallback_neighbour: to.fallback_neighbour,
            ..self.config.clone()
        };
        self.liveness.send_replace(self.config.liveness);
        self.dial();
        match other_keys {
            true => self.watch(told).await,
            false => Ok(()),
        }
    }

    /// Tells the speaker in one command of the owner; returns when what follows is committed.
    async fn apply(&self, inputs: Vec<Input>) -> Result<(), FabricError> {
        let shared = self.shared.clone();
        let applied = self.wires.book.apply(move |book, now| {
            let core = &mut *shared.core();
            for input in inputs {
                core.speaker.handle(now, book, input, &mut core.out);
            }
        });
        Ok(applied.await?)
    }

    async fn rotate(&mut self, overlap: Duration) -> Result<PublicKey, FabricError> {
        let signer = self.signer.clone();
        let rotated = tokio::task::spawn_blocking(move || signer.rotate()).await;
        let to = rotated.map_err(|error| FabricError::Key {
            what: "rotation".into(),
            why: error.to_string(),
        })??;
        self.apply(vec![Input::Rotate { to, overlap }]).await?;
        tracing::info!(key = %to.id(), "this cluster signs by a new key");
        Ok(to)
    }

    /// Dials what is to be dialled, and nothing else; nobody before neighbours may hear of it.
    fn dial(&mut self) {
        if !self.speaks.is_cancelled() {
            return;
        }
        let wanted = self.config.neighbours.iter();
        let wanted = wanted.flat_map(|(n, is)| is.addresses.iter().map(|a| (n.clone(), a.clone())));
        let mut before = std::mem::take(&mut self.dialers);
        for (neighbour, address) in wanted {
            let of = (neighbour.clone(), address.clone());
            let guard = before.remove(&of).unwrap_or_else(|| {
                let stop = self.ended.child_token();
                let spec = Dial {
                    own: self.config.cluster.clone(),
                    neighbour,
                    address,
                    identity: self.identity.clone(),
                    known: self.known.clone(),
                };
                tokio::spawn(dial(spec, self.wires.clone(), stop.clone()));
                stop.drop_guard()
            });
            self.dialers.insert(of, guard);
        }
    }

    /// Asks the sources of keys.
    async fn watch(&mut self, told: &mpsc::Sender<Keys>) -> Result<(), FabricError> {
        // What was asked before is asked no more, whatever comes of the new ones.
        if let Some(before) = self.watcher.take() {
            before.end().await;
        }
        let (own, sources) = (self.config.cluster.clone(), key_sources(&self.config));
        let refresh = self.config.key_refresh;
        self.watcher = Some(Watcher::start(own, sources, refresh, &self.state, told.clone())?);
        Ok(())
    }

    /// Parts from all neighbours, and ends.
    async fn end(&mut self, parting: Parting) {
        if let Some(watcher) = self.watcher.take() {
            watcher.end().await;
        }
        let book: BookHandle = self.wires.book.clone();
        if self.apply(vec![Input::Leave(parting)]).await.is_ok() {
            // The slice in which the goodbyes go out.
            book.wake();
            let parted = tokio::time::timeout(PARTING, self.wires.ports.emptied()).await;
            if parted.is_err() {
                tracing::warn!("neighbours don't take the goodbye");
            }
        }
        self.dialers.clear();
        self.ended.cancel();
        book.wake();
    }
}

async fn wait(again: Option<Duration>) {
    match again {
        Some(again) => tokio::time::sleep(again).await,
        None => std::future::pending().await,
    }
}

//! What runs: the speaker attached to the book, and tasks that do what it wants done.
//!
//! The order at the start: the port and the state directory are taken first, so that what is taken
//! already is told before anything is done; the speaker stands in the book and knows its keys before
//! anybody can connect.

mod supervisor;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_link::{KeyVerifier, PeerKey, SharedIdentity, serve_neighbours};
use rutter_protocol::Speaker;
use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::keys::{KeyRecord, PublicKey};
use rutter_protocol::speaker::{FABRIC, Input, SpeakerConfig, Ticket};
use rutter_route::{ClusterId, DestinationKind, TableName};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::crypto::Verifier;
use crate::handle::Inner;
use crate::keys::{self, Keeper, Signer, State};
use crate::known::Known;
use crate::ports::Ports;
use crate::station::{Hands, Publisher, Shared, Station, Told};
use crate::transport::{Door, Wires};
use crate::{FabricConfig, FabricError, FabricHandle, Forwarding, identity};
pub(crate) use supervisor::Command;
use supervisor::Supervisor;

/// Inputs that wait for the speaker; over it whoever has one waits.
const INPUTS: usize = 1024;

/// Commands that wait.
const COMMANDS: usize = 8;

/// Threads that verify, at most.
const VERIFIERS: usize = 4;

/// How long another cluster's claim may count.
const LONGEST_CLAIM: Duration = Duration::from_secs(7 * 24 * 3600);

/// Begins to speak with neighbours. The tables that are carried are in the book.
///
/// # Errors
/// What the configuration names can't be had; nothing was begun.
pub async fn start(config: FabricConfig, book: BookHandle) -> Result<FabricHandle, FabricError> {
    let handle = prepare(bind(&config)?, config, book).await?;
    handle.speak();
    Ok(handle)
}

/// The socket that neighbours reach.
///
/// # Errors
/// The address is taken, or isn't this machine's.
pub fn bind(config: &FabricConfig) -> Result<std::net::TcpListener, FabricError> {
    std::net::TcpListener::bind(config.listen).map_err(|error| listen(config, &error))
}

/// As [`start`], on a socket that listens already, but for the first word: neighbours hear nothing before
/// [`FabricHandle::speak`].
///
/// # Errors
/// As [`start`].
pub async fn prepare(
    socket: std::net::TcpListener,
    config: FabricConfig,
    book: BookHandle,
) -> Result<FabricHandle, FabricError> {
    let failed = |error| listen(&config, &error);
    socket.set_nonblocking(true).map_err(failed)?;
    let socket = TcpListener::from_std(socket).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let now = SystemClock.now();
    let state = State::open(&config.state)?;
    let incarnation = state.next_incarnation(now.wall)?;
    let mut registry = state.registry(now)?;
    let (told, heard) = mpsc::channel(INPUTS);
    let signer = signer(&config, &told, &book)?;
    let verifier = verifier(&told, &book)?;
    let rotates = keys::begin_own(&mut registry, now, &config.cluster, &signer);
    let given = keys::known(&state, &key_sources(&config), now.wall)?;
    for (cluster, keys) in given.into_iter().filter(|(cluster, _)| *cluster != config.cluster) {
        registry.provide(now, &cluster, keys);
    }
    let (shown, _) = identity::shown(
        &registry.active(now, &config.cluster),
        registry.primary(now, &config.cluster).map_or(signer.primary(), |(_, key)| key),
        |key| signer.holds(&key.id()),
        now,
        config.security.key_overlap,
    );
    let certified = identity::certified(&signer, shown)?;
    let fabric = fabric_table(&config)?;

    let spec = speaker_config(&config, incarnation)?;
    let speaker = book.apply(move |book, now| Speaker::new(now, spec, registry, book)).await??;
    let shared = Shared::new(speaker);
    let heard_all = CancellationToken::new();
    let fallback = config.fallback_neighbour;
    let first = Forwarding::new(config.cluster.clone(), certified.clone(), fallback);
    let (published, forwarding) = watch::channel(Arc::new(first));
    let (ports, keep) = (Arc::new(Ports::default()), Arc::new(Notify::new()));
    let ended = CancellationToken::new();
    let by = signer.clone();
    let hands = Hands {
        ports: ports.clone(),
        sign: Box::new(move |ticket, key, bytes| by.submit(ticket, key, bytes)),
        verify: Box::new(move |ticket, checks| verifier.submit(ticket, checks)),
        keep: keep.clone(),
    };
    let publisher = Publisher::new(fabric.clone(), published);
    let (over, all) = (ended.clone(), heard_all.clone());
    let station = Station::new(shared.clone(), heard, hands, publisher, over, all);
    book.attach(Box::new(station)).await?;
    if let Some(to) = rotates {
        let rotate = Input::Rotate { to, overlap: config.security.key_overlap };
        told.send(Told::Input(rotate)).await.map_err(|_| rutter_book::BookClosed)?;
    }
    // After the slice that this waits for, what TLS looks at is there.
    book.wake();
    book.apply(|_, _| ()).await?;

    let (liveness, told_liveness) = watch::channel(config.liveness);
    let wires = Wires { ports, inputs: told, book: book.clone(), liveness: told_liveness };
    let known = Known(forwarding.clone());
    let identity = SharedIdentity::new(certified);
    let (commands, asked) = mpsc::channel(COMMANDS);
    let (failed, speaks) = (CancellationToken::new(), CancellationToken::new());
    let handle = FabricHandle::new(Inner {
        own: config.cluster.clone(),
        fabric,
        incarnation,
        address,
        book: book.clone(),
        shared: shared.clone(),
        forwarding,
        commands,
        failed: failed.clone(),
        heard_all,
        speaks: speaks.clone(),
    });
    let door = Door {
        own: config.cluster.clone(),
        wires: wires.clone(),
        known: known.clone(),
        handle: handle.clone(),
        stop: ended.clone(),
    };
    serve(socket, &identity, door, (speaks.clone(), ended.clone()), failed);
    let supervisor = Supervisor {
        config,
        state,
        signer,
        shared,
        wires,
        known,
        identity,
        shown,
        liveness,
        keep,
        speaks,
        ended,
        dialers: Default::default(),
        watcher: None,
    };
    supervisor.start(asked).await?;
    tracing::info!(listen = %address, incarnation, "the fabric runs");
    Ok(handle)
}

/// Why neighbours can't be taken.
fn listen(config: &FabricConfig, error: &std::io::Error) -> FabricError {
    FabricError::Listen { at: config.listen.to_string(), why: error.to_string() }
}

/// Takes neighbours from one word until another.
fn serve(
    socket: TcpListener,
    identity: &SharedIdentity,
    door: Door,
    (speaks, stop): (CancellationToken, CancellationToken),
    failed: CancellationToken,
) {
    let (identity, known) = (identity.clone(), door.known.clone());
    let verifier =
        KeyVerifier::new(move |key: &PeerKey| known.cluster_of(&PublicKey(key.0)).is_some());
    tokio::spawn(async move {
        tokio::select! {
            () = speaks.cancelled() => {}
            () = stop.cancelled() => return,
        }
        let served = serve_neighbours(socket, &identity, verifier, Arc::new(door), stop.clone());
        if let Err(error) = served.await {
            tracing::error!(%error, "neighbours aren't taken any more");
            failed.cancel();
        }
    });
}

/// Signs, and tells the speaker.
fn signer(
    config: &FabricConfig,
    told: &mpsc::Sender<Told>,
    book: &BookHandle,
) -> Result<Signer, FabricError> {
    let (told, book) = (told.clone(), book.clone());
    Signer::start(&config.signer, move |ticket, signature| {
        answer(&told, &book, Input::Signed { ticket, signature });
    })
}

/// Verifies on other cores, and tells the speaker. One core stays for the book.
fn verifier(told: &mpsc::Sender<Told>, book: &BookHandle) -> Result<Verifier, FabricError> {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (told, book) = (told.clone(), book.clone());
    Verifier::start(n_cores.saturating_sub(1).clamp(1, VERIFIERS), move |(ticket, good)| {
        answer(&told, &book, verified(ticket, good));
    })
}

fn verified(ticket: Ticket, good: Vec<bool>) -> Input {
    Input::Verified { ticket, good }
}

/// On a thread of its own, which may wait.
fn answer(told: &mpsc::Sender<Told>, book: &BookHandle, input: Input) {
    // The speaker is gone only at the end.
    let _over = told.blocking_send(Told::Input(input));
    book.wake();
}

/// Where keys come from: the providers, then the neighbours' keys that stand in the configuration.
fn key_sources(config: &FabricConfig) -> Vec<keys::KeySource> {
    let of = config.neighbours.iter().filter(|(_, neighbour)| !neighbour.keys.is_empty());
    let written: BTreeMap<_, _> = of.map(|(c, n)| (c.clone(), n.keys.clone())).collect();
    let written = (!written.is_empty()).then_some(keys::KeySource::Written(written));
    config.key_sources.iter().cloned().chain(written).collect()
}

/// The table of clusters.
fn fabric_table(config: &FabricConfig) -> Result<TableName, FabricError> {
    let of_clusters = config.scopes.iter().find(|spec| spec.kind == DestinationKind::Cluster);
    of_clusters.map(|spec| spec.table.clone()).ok_or_else(|| {
        let why = rutter_protocol::policy::FabricPolicyError {
            field: "scopes".into(),
            why: format!("expected `{FABRIC}`"),
        };
        FabricError::Policy(why)
    })
}

/// What the speaker is told at the start.
fn speaker_config(config: &FabricConfig, incarnation: u64) -> Result<SpeakerConfig, FabricError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| FabricError::Key {
        what: "the seed of hash tables".into(),
        why: format!("no random bytes: {error}"),
    })?;
    Ok(SpeakerConfig {
        cluster: config.cluster.clone(),
        incarnation,
        scopes: config.scopes.clone(),
        neighbours: config.neighbours.iter().map(|(n, is)| (n.clone(), is.spec.clone())).collect(),
        tags: config.tags.clone(),
        gateway: config.gateway.clone().unwrap_or_default(),
        security: config.security.clone(),
        policy: config.policy.clone(),
        links: config.links.clone(),
        claims: claim_limits(config),
        max_restart: config.max_restart,
        forget: config.forget,
        log_routes: tracing::enabled!(target: "rutter::fabric", tracing::Level::DEBUG),
        seed: u64::from_le_bytes(seed),
    })
}

/// Claims of two full tables, and of a whole one by one originator, that count for a week at most:
/// another cluster may let its own live longer than this one does.
fn claim_limits(config: &FabricConfig) -> ClaimLimits {
    let life = config.security.claim_life.max(LONGEST_CLAIM);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    ClaimLimits {
        total: 2_000_000,
        per_originator: 1_000_000,
        max_life_ms: millis(life),
        skew_ms: millis(config.security.skew),
    }
}

/// Writes the keys that are known whenever they change, until it is over; then once more.
async fn keep_keys(
    state: State,
    shared: Shared,
    book: BookHandle,
    keep: Arc<Notify>,
    ended: CancellationToken,
) {
    let keeper = match Keeper::start(state) {
        Ok(keeper) => keeper,
        Err(error) => {
            tracing::error!(%error, "keys of clusters can't be kept");
            return;
        }
    };
    loop {
        let over = tokio::select! {
            () = keep.notified() => false,
            () = ended.cancelled() => true,
        };
        let core = shared.clone();
        let kept = book.read(move |_, _| core.core().speaker.keys().to_kept()).await;
        let Ok(kept) = kept else { break };
        keeper.keep(kept);
        if over {
            break;
        }
    }
    // It waits for the disk.
    let _joined = tokio::task::spawn_blocking(move || keeper.end()).await;
}

/// The end of a neighbour's patience, as long as a goodbye may take.
const PARTING: Duration = Duration::from_secs(3);

/// The cluster that a `Told` of keys is of.
type Keys = (ClusterId, Vec<KeyRecord>);

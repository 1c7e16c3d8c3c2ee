//! The load process: all nodes, and what they see.
//!
//! It is told what to do by its input and says what it measured by its output, in JSON. Times are
//! taken where a node has been told something: after TLS, framing and decoding, as an agent would
//! begin to act.

mod node;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rutter_link::{LinkKey, Remote};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::node::{Expected, Node, Watch};
use super::scene::{GRANTED, SHARED, Scene};
use crate::bench::process::{Process, cpu_of, memory_of};

/// What it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) scene: Scene,
    pub(super) address: String,
    pub(super) pin: String,
    /// A pre-auth key a group.
    pub(super) keys: Vec<String>,
    pub(super) losses: usize,
    /// The controller's process.
    pub(super) controller: u32,
    /// Its policy file, which is written anew.
    pub(super) policy: PathBuf,
}

/// A step: how long it took, and the CPU of the controller and of the nodes meanwhile.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) seconds: f64,
    pub(super) controller: f64,
    pub(super) nodes: f64,
}

/// What it measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) joined: Step,
    pub(super) connected: Step,
    /// Ten seconds in which nothing happens.
    pub(super) rest: Step,
    /// From each loss to the first, the middle and the last node that was told, in seconds, and the
    /// step.
    pub(super) losses: Vec<([f64; 3], Step)>,
    pub(super) reloads: Vec<Step>,
    /// The controller's memory before any node joined, when all had, and when all were connected.
    pub(super) memory: [u64; 3],
    /// Sessions that were lost and that nobody ended.
    pub(super) lost: usize,
}

/// How many join, or connect, at once.
const AT_ONCE: usize = 128;

/// How long anything may take before the bench is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long nobody must have been told anything until all is quiet.
const QUIET: Duration = Duration::from_secs(2);

/// How long rest is measured.
const REST: Duration = Duration::from_secs(10);

/// Starts the process, tells it what to do, and hears what it measured.
pub(super) fn drive(
    command: &mut Command,
    folder: &Path,
    spec: &Spec,
    controller: &mut Process,
) -> Result<Figures> {
    let mut load = Process::start_to_talk("nodes", command, folder)?;
    let mut input = load.child().stdin.take().context("its input is ours")?;
    input.write_all(serde_json::to_string(spec)?.as_bytes())?;
    drop(input);
    let output = load.child().stdout.take().context("its output is ours")?;
    let said = std::io::read_to_string(output)?;
    if said.is_empty() {
        // What either process said last is in the error.
        controller.until("running", || true)?;
        load.until("done", || false)?;
    }
    serde_json::from_str(&said).context("the load process said something else than figures")
}

/// Runs the load process.
pub(crate) fn run_child() -> Result<()> {
    let spec: Spec = serde_json::from_reader(std::io::stdin())?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(spec))?;
    println!("{}", serde_json::to_string(&figures)?);
    // A goodbye of each node is not what is measured.
    std::process::exit(0);
}

async fn measure(spec: Spec) -> Result<Figures> {
    let spec = Arc::new(spec);
    let before = memory_of(spec.controller)?;
    let began = Began::now(&spec)?;
    let keys = join(&spec).await?;
    let joined = began.step()?;
    eprintln!("joined: {joined:?}");
    let memory_joined = memory_of(spec.controller)?;

    let watch = Arc::new(Watch::new(spec.scene.nodes));
    let began = Began::now(&spec)?;
    let mut nodes = connect(&spec, keys, &watch).await?;
    let connected = began.step()?;
    eprintln!("connected: {connected:?}");
    watch.quiet(QUIET).await;
    let memory_connected = memory_of(spec.controller)?;
    let began = Began::now(&spec)?;
    tokio::time::sleep(REST).await;
    let rest = began.step()?;
    eprintln!("rest: {rest:?}");

    let mut losses = Vec::new();
    // A node of the last group, of which none is a router.
    let told = spec.scene.nodes - 1;
    for _ in 0..spec.losses {
        let lost = watch.router(told, SHARED.parse()?).context("somebody leads")?;
        let others: Vec<usize> = (0..spec.scene.nodes).filter(|n| nodes[*n].is_some()).collect();
        let told = others.iter().filter(|n| **n != lost);
        watch.expect(Expected::Another { of: SHARED.parse()? }, told.copied());
        let began = Began::now(&spec)?;
        drop(nodes[lost].take().context("each router is lost once")?);
        let times = all(&watch).await.context("a loss")?;
        let step = began.step()?;
        let since = |time: Option<&Instant>| {
            time.map_or(0.0, |time| time.duration_since(began.at).as_secs_f64())
        };
        let spread = [times.first(), times.get(times.len() / 2), times.last()].map(since);
        eprintln!("lost {lost}: {spread:?} {step:?}");
        losses.push((spread, step));
        watch.quiet(QUIET).await;
    }

    let mut reloads = Vec::new();
    let routers = spec.scene.routers();
    for granted in [true, false] {
        // A router is told of the others of its network whatever is granted.
        let others = (0..spec.scene.nodes).filter(|n| !routers.contains(n));
        let of = GRANTED.parse()?;
        watch.expect(if granted { Expected::Some { of } } else { Expected::None { of } }, others);
        std::fs::write(&spec.policy, spec.scene.policy(granted)?)?;
        let began = Began::now(&spec)?;
        let pid = i32::try_from(spec.controller).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has a number")?, Signal::HUP)?;
        all(&watch).await.context("a reload")?;
        reloads.push(began.step()?);
        eprintln!("reloaded: {:?}", reloads.last());
        watch.quiet(QUIET).await;
    }
    let memory = [before, memory_joined, memory_connected];
    let lost = watch.n_lost();
    Ok(Figures { joined, connected, rest, losses, reloads, memory, lost })
}

/// Makes a key for each node and enrols it.
async fn join(spec: &Arc<Spec>) -> Result<Vec<LinkKey>> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut joining = JoinSet::new();
    for node in 0..spec.scene.nodes {
        let (spec, room) = (spec.clone(), room.clone());
        joining.spawn(async move {
            let _place = room.acquire().await?;
            let key = LinkKey::generate()?;
            let dialer = node::dialer(&spec.remote()?, &key)?;
            let group = node / spec.scene.group;
            let token = spec.keys.get(group).context("a key a group")?;
            dialer.enrol(token, &format!("n{node}"), "node").await?;
            Ok::<_, anyhow::Error>((node, key))
        });
    }
    let mut keys = Vec::new();
    while let Some(joined) = joining.join_next().await {
        keys.push(joined??);
    }
    // Another order than the one of names: nodes are numbered as they come.
    keys.sort_by_key(|(node, _)| *node);
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// Begins a session of each node, and waits until all were told all that is theirs.
async fn connect(
    spec: &Arc<Spec>,
    keys: Vec<LinkKey>,
    watch: &Arc<Watch>,
) -> Result<Vec<Option<Node>>> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let told = Expected::Full { routes: spec.scene.told() };
    watch.expect(told, 0..spec.scene.nodes);
    let mut nodes = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let free = room.clone().acquire_owned().await?;
        let dialer = node::dialer(&spec.remote()?, key)?;
        let networks = spec.scene.networks(place);
        nodes.push(Some(Node::start(place, dialer, &networks, watch.clone(), free)?));
    }
    eprintln!("all have dialled");
    all(watch).await.context("all connect")?;
    Ok(nodes)
}

/// When each of those that are waited for was told, in order.
async fn all(watch: &Watch) -> Result<Vec<Instant>> {
    match tokio::time::timeout(PATIENCE, watch.all()).await {
        Ok(times) => Ok(times),
        Err(_) => bail!("{} nodes were not told in {PATIENCE:?}", watch.n_waiting()),
    }
}

impl Spec {
    fn remote(&self) -> Result<Remote> {
        let pin = self.pin.parse().map_err(anyhow::Error::msg)?;
        Ok(Remote { address: self.address.clone(), pin })
    }
}

/// A step that has begun.
struct Began {
    at: Instant,
    controller: u32,
    cpu: [Duration; 2],
}

impl Began {
    fn now(spec: &Spec) -> Result<Self> {
        let controller = spec.controller;
        Ok(Self { cpu: cpu(controller)?, at: Instant::now(), controller })
    }

    fn step(&self) -> Result<Step> {
        let seconds = self.at.elapsed().as_secs_f64();
        let now = cpu(self.controller)?;
        let spent = |at: usize| now[at].saturating_sub(self.cpu[at]).as_secs_f64();
        Ok(Step { seconds, controller: spent(0), nodes: spent(1) })
    }
}

/// Of the controller and of this process.
fn cpu(controller: u32) -> Result<[Duration; 2]> {
    Ok([cpu_of(controller)?.total(), cpu_of(std::process::id())?.total()])
}

//! `cargo xtask bench services`: GoDoxy's set-up at a size, and streams beside other proxies.
//!
//! Loading: the program as it is released serves a folder of GoDoxy's ([`scene`]), with routes in
//! many files and many containers of an engine that plays recorded answers ([`engine`]). What
//! counts is the time until the last of each file's hosts and of the containers' is served, the
//! CPU that took, and the memory afterwards. Then single routes are edited, and what counts is the
//! time from the file's close or rename to the first answer by the new route ([`editing`]).
//! Routes are not probed in this bench: a hundred thousand probes every few seconds would be what
//! is measured.
//!
//! Streams: bytes and datagrams through Rutter, nginx and HAProxy in turns, in one run
//! ([`streams`]).

mod editing;
mod engine;
mod origins;
mod report;
mod scene;
mod streams;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use self::editing::Edits;
use self::engine::Engine;
use self::origins::{Origins, answer_of};
use self::report::Loaded;
use self::scene::Scene;
use self::streams::Streams;
use super::machine;
use super::process::Process;
use crate::shell;

/// What `bench services` may be told.
#[derive(Args)]
pub(crate) struct ServicesArguments {
    /// How many files of routes
    #[arg(long, default_value_t = 1000)]
    files: usize,
    /// How many routes each has
    #[arg(long, default_value_t = 100)]
    routes: usize,
    /// How many containers
    #[arg(long, default_value_t = 10_000)]
    containers: usize,
    /// How many routes are edited, one after the other; half of them by a rename
    #[arg(long, default_value_t = 40)]
    edits: usize,
    /// How often the stream proxies take turns, beside one discarded turn; 0 leaves them out
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load in each turn
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// The program as it is built for tests, few routes and one short round: does the bench work?
    #[arg(long)]
    quick: bool,
}

/// Measures and prints.
pub(super) fn run(arguments: &ServicesArguments) -> Result<()> {
    let quick = ServicesArguments {
        files: 20,
        routes: 10,
        containers: 50,
        edits: 4,
        rounds: arguments.rounds.min(1),
        seconds: 1,
        quick: true,
    };
    let arguments = if arguments.quick { &quick } else { arguments };
    let ServicesArguments { files, routes, containers, edits, rounds, seconds, .. } = *arguments;
    ensure!(
        (1..=10_000).contains(&files) && (1..=1000).contains(&routes) && edits >= 2,
        "`--files` is from 1 to 10000, `--routes` from 1 to 1000, `--edits` at least 2"
    );
    let program = build(arguments.quick)?;
    let folder = tempfile::tempdir()?;
    let origins = Origins::start()?;
    let scene = Scene { files, routes, containers };
    let loaded = load(&scene, &origins, &program, folder.path(), edits)?;
    let streams = match rounds {
        0 => None,
        _ => Some(Streams::measure(&program, folder.path(), rounds, seconds)?),
    };
    println!("Measured on {}; {}; by", machine::describe()?, streams::versions(rounds)?);
    println!(
        "`cargo xtask bench services --files {files} --routes {routes} --containers {containers} \
         --edits {edits} --rounds {rounds} --seconds {seconds}`.\n"
    );
    report::print(&scene, &loaded, streams.as_ref())
}

/// Starts the program over the scene, and edits it.
fn load(
    scene: &Scene,
    origins: &Origins,
    program: &Path,
    folder: &Path,
    edits: usize,
) -> Result<Loaded> {
    let folder = folder.join("godoxy");
    let engine = Engine::start(&folder, scene.containers, origins.before())?;
    let http = free_address()?;
    scene.write(&folder, http, origins.before(), engine.socket())?;
    let mut process = rutter(program, &folder)?;
    let begun = Instant::now();
    process.until("serving all its hosts", || serves_all(scene, http))?;
    let took = begun.elapsed();
    let (cpu, memory) = (process.cpu()?.total(), process.memory()?);
    eprintln!("all served after {:.1} s", took.as_secs_f64());
    let edits = Edits::measure(scene, origins, &folder, http, edits)?;
    Ok(Loaded { took, cpu, memory, edits })
}

/// The program, on a folder of GoDoxy's.
fn rutter(program: &Path, folder: &Path) -> Result<Process> {
    let mut command = Command::new(program);
    command.args(["godoxy", "run"]).arg(folder).arg("--data").arg(folder.join("data"));
    Process::start("rutter", &mut command, folder)
}

/// Whether the last route of each file and the last container are served.
fn serves_all(scene: &Scene, http: SocketAddr) -> bool {
    let hosts = scene.last_hosts();
    // The last of all first: while it isn't there, one question is enough.
    hosts.iter().rev().all(|host| answer_of(http, host).is_ok_and(|answer| answer == "a"))
}

/// Where the program lies.
fn build(debug: bool) -> Result<PathBuf> {
    let mut build = vec!["build", "--quiet", "--package", "rutter"];
    let profile = if debug { "debug" } else { "release" };
    if !debug {
        build.push("--release");
    }
    shell::run(&mut shell::cargo(build))?;
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => target.into(),
        None => shell::root()?.join("target"),
    };
    Ok(target.join(profile).join("rutter"))
}

/// An address that nobody has at the moment.
fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

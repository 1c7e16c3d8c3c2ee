//! `cargo xtask bench gateway`: Rutter as a proxy beside nginx and HAProxy, in turns.
//!
//! Each contender is a process of its own with two workers, in front of one origin. In every round
//! each of them gets the same load one after the other, the next round begins with another, and the
//! first round is thrown away; so what else the machine does falls on all of them alike, and only
//! figures of one run are put in relation.
//!
//! What counts is CPU: user and kernel time of the proxy's processes over the requests that were
//! answered. Rates and latencies of a machine on which load, proxy and origin share processors say
//! how these get along; they are shown, and are nobody's property.

mod contender;
mod feeder;
mod idle;
mod load;
mod report;
mod scene;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::contender::{Contender, Running};
pub(crate) use self::feeder::{FeederArguments, run_child};
use self::idle::Before;
use self::load::{Protocol, Request};
use self::report::{Measured, Report};
use self::scene::Scene;
use super::machine;
use crate::debian::{DebianTool, ensure_debian};
use crate::shell;

/// What `bench gateway` may be told.
#[derive(Args)]
pub(crate) struct GatewayArguments {
    /// How many routes, each number measured by itself
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10_000, 1_000_000])]
    routes: Vec<usize>,
    /// How often the contenders take turns, beside one discarded turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load in each turn
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Idle connections for the measurement of memory; 0 leaves it out
    #[arg(long, default_value_t = 8000)]
    connections: usize,
    /// Only these contenders
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Leave access logs out
    #[arg(long)]
    no_logs: bool,
    /// One round of a second at 1 and 1,000 routes and few connections: does the bench work?
    #[arg(long)]
    quick: bool,
}

const TOOLS: [DebianTool; 4] = [
    DebianTool { program: "nginx", package: "nginx" },
    DebianTool { program: "haproxy", package: "haproxy" },
    DebianTool { program: "wrk", package: "wrk" },
    DebianTool { program: "h2load", package: "nghttp2-client" },
];

/// Measures and prints.
pub(super) fn run(arguments: &GatewayArguments) -> Result<()> {
    let quick = GatewayArguments {
        routes: vec![1, 1000],
        rounds: 1,
        seconds: 1,
        connections: arguments.connections.min(500),
        only: arguments.only.clone(),
        ..*arguments
    };
    let arguments = if arguments.quick { &quick } else { arguments };
    let GatewayArguments { routes, rounds, seconds, .. } = arguments;
    if routes.contains(&0) || *rounds == 0 || *seconds == 0 {
        bail!("`--routes`, `--rounds` and `--seconds` are at least 1");
    }
    ensure_debian(&TOOLS, "`bench gateway`")?;
    let both = ["build", "--release", "--quiet", "--package", "rutter", "--package", "xtask"];
    shell::run(&mut shell::cargo(both))?;
    let folder = tempfile::tempdir()?;
    let mut report = Report::default();
    for n_routes in routes {
        eprintln!("{n_routes} routes");
        let scene = Scene::set(folder.path(), *n_routes)?;
        serve(arguments, &scene, &mut report)?;
    }
    let mut measured = Ok(());
    if arguments.connections > 0 {
        eprintln!("idle connections");
        let scene = Scene::set(&folder.path().join("idle"), 1)?;
        measured = idle(arguments, &scene, &mut report);
    }
    // What was measured before is told, whatever became of the last part.
    print_head(arguments)?;
    report.print(arguments.connections)?;
    measured
}

fn contenders(arguments: &GatewayArguments) -> Vec<Contender> {
    let all = Contender::ALL.into_iter();
    all.filter(|c| arguments.only.is_empty() || arguments.only.contains(c)).collect()
}

/// Load of each kind at one size of the table.
fn serve(arguments: &GatewayArguments, scene: &Scene, report: &mut Report) -> Result<()> {
    let mut running = Vec::new();
    for contender in contenders(arguments) {
        let begun = std::time::Instant::now();
        match contender.start(scene, !arguments.no_logs) {
            Ok(started) => running.push(started),
            // Rutter must take any table; of others it is a finding that they don't.
            Err(error) if contender != Contender::Rutter => {
                eprintln!("{} doesn't start: {error:#}", contender.name());
                continue;
            }
            Err(error) => return Err(error),
        }
        eprintln!("  {} serves after {:.1} s", contender.name(), begun.elapsed().as_secs_f64());
    }
    for round in 0..=arguments.rounds {
        for protocol in Protocol::ALL {
            for request in Request::ALL {
                for turn in 0..running.len() {
                    let at = (turn + round) % running.len();
                    let contender = running.get(at).context("below the length")?;
                    let time = Duration::from_secs(arguments.seconds);
                    let measured = turn_of(scene, contender, protocol, request, time)?;
                    if round > 0 {
                        let key = (scene.n_routes, protocol, request, contender.contender);
                        report.turns.entry(key).or_default().push(measured);
                    }
                }
            }
        }
    }
    for contender in &running {
        let memory = contender.process.memory()?;
        report.memory.insert((scene.n_routes, contender.contender), memory);
    }
    Ok(())
}

fn turn_of(
    scene: &Scene,
    contender: &Running,
    protocol: Protocol,
    request: Request,
    time: Duration,
) -> Result<Measured> {
    let to = match protocol {
        Protocol::Http1 => contender.http,
        Protocol::Http2 => contender.https,
    };
    let before = contender.process.cpu()?;
    let seen = load::run(scene, protocol, request, to, time)
        .with_context(|| format!("{}, {}", contender.contender.name(), request.name()))?;
    let cpu = contender.process.cpu()?.since(before);
    Ok(Measured { cpu, seen, seconds: time.as_secs_f64() })
}

fn idle(arguments: &GatewayArguments, scene: &Scene, report: &mut Report) -> Result<()> {
    for _ in 0..arguments.rounds.min(3) {
        for before in Before::ALL {
            for contender in contenders(arguments) {
                let bytes = idle::measure(scene, contender, before, arguments.connections)?;
                report.idle.entry((before, contender)).or_default().push(bytes);
            }
        }
    }
    Ok(())
}

fn print_head(arguments: &GatewayArguments) -> Result<()> {
    let GatewayArguments { routes, rounds, seconds, connections, .. } = arguments;
    let routes: Vec<String> = routes.iter().map(ToString::to_string).collect();
    println!("Measured on {}; {}; by", machine::describe()?, versions()?);
    println!(
        "`cargo xtask bench gateway --routes {} --rounds {rounds} --seconds {seconds} \
         --connections {connections}`.\n",
        routes.join(",")
    );
    Ok(())
}

fn versions() -> Result<String> {
    // nginx says it on the output for errors.
    let nginx = Command::new("/usr/sbin/nginx").arg("-v").output()?;
    let nginx = String::from_utf8_lossy(&nginx.stderr).replace("nginx version: nginx/", "nginx ");
    let haproxy = shell::output(Command::new("/usr/sbin/haproxy").arg("-v"))?;
    let haproxy = haproxy.split_whitespace().nth(2).context("HAProxy says its version")?;
    Ok(format!("{}, HAProxy {haproxy}", nginx.trim()))
}

/// By number of routes, protocol and request, of each contender.
type Turns = BTreeMap<(usize, Protocol, Request, Contender), Vec<Measured>>;

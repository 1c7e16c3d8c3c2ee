//! Rutter: a gateway apart from its controller, whose place the feeder takes.
//!
//! It is the program as it is released, so allocator, log and all are in it. The feeder speaks
//! `rutter.v1`, which any controller would, and offers as many services as the scene has hosts; so
//! the process that is measured is a gateway and nothing else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Contender, Running};
use crate::bench::gateway::scene::{Scene, free_address};
use crate::bench::process::Process;
use crate::shell;

pub(super) fn start(scene: &Scene, logs: bool) -> Result<Running> {
    let (mut feeder, join) = feeder(scene)?;
    feeder.until("running", || true)?;
    let (http, https) = (free_address()?, free_address()?);
    let file = scene.file("rutter.yaml");
    // A new one each time: what an earlier gateway kept of its membership was another feeder's.
    let data = tempfile::tempdir_in(&scene.folder)?.keep();
    fs::write(&file, config(scene, &join, &data, [http, https], logs))?;
    let mut rutter = Command::new(released("rutter")?);
    let process =
        Process::start("rutter", rutter.args(["run", "--config"]).arg(file), &scene.folder)?;
    Ok(Running { contender: Contender::Rutter, process, http, https, feeder: Some(feeder) })
}

/// A program as the bench has built it.
fn released(program: &str) -> Result<PathBuf> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => shell::root()?.join("target"),
    };
    Ok(target.join("release").join(program))
}

fn feeder(scene: &Scene) -> Result<(Process, String)> {
    let mut command = Command::new(released("xtask")?);
    command.args(["bench-child", "feeder", "--services", &scene.n_routes.to_string()]);
    command.args(["--origin", &scene.origin.to_string()]);
    let mut feeder = Process::start_to_talk("feeder", &mut command, &scene.folder)?;
    let output = feeder.child().stdout.take().context("its output is ours")?;
    let mut join = String::new();
    BufReader::new(output).read_line(&mut join)?;
    Ok((feeder, join.trim_end().to_owned()))
}

/// All that is on by default stays on: limits, times, probes, ejection, the retry budget, metrics.
fn config(
    scene: &Scene,
    join: &str,
    data: &Path,
    [http, https]: [SocketAddr; 2],
    logs: bool,
) -> String {
    let folder = scene.folder.display();
    let data = data.display();
    let log = match logs {
        true => format!("access_log: {{file: {folder}/rutter.log, format: json}}"),
        false => String::new(),
    };
    format!(
        "\
domain: example.org
data: {data}
listeners:
  gateway:
    http: {http}
    https: {https}
gateway:
  join: '{join}'
  workers: 2
  tls: {{chain: {folder}/chain.pem, key: {folder}/key.pem}}
  {log}
"
    )
}

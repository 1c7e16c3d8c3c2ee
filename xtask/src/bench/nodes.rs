//! `cargo xtask bench nodes`: a controller with ten thousand nodes.
//!
//! The controller is the program as it is released, with its registry on disk. The nodes are real
//! sessions of `rutter-link` over TLS, each with a key of its own, all in one process ([`load`]) that
//! shares the machine with the controller: what the nodes take is taken from it, too.
//!
//! The nodes are in groups who know each other and each other's networks, and all may reach a network
//! that six routers have ([`scene`]). What counts: CPU and time until all have joined, until all are
//! connected and were told all that is theirs; from a router's loss to the last node that was told;
//! from another policy to the last node that was told; and the controller's memory.

mod api;
mod load;
mod report;
mod scene;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use self::load::Spec;
pub(crate) use self::load::run_child;
use self::scene::Scene;
use super::machine;
use super::process::Process;
use crate::shell;

/// What `bench nodes` may be told.
#[derive(Args)]
pub(crate) struct NodesArguments {
    /// How many nodes
    #[arg(long, default_value_t = 10_000)]
    nodes: usize,
    /// How many of them know each other
    #[arg(long, default_value_t = 50)]
    group: usize,
    /// How many networks each has for itself
    #[arg(long, default_value_t = 5)]
    routes: usize,
    /// How many routers of the shared network are lost, one after the other; at most five
    #[arg(long, default_value_t = 5)]
    losses: usize,
    /// The program as it is built for tests: does the bench work?
    #[arg(long)]
    debug: bool,
}

/// Measures and prints.
pub(super) fn run(arguments: &NodesArguments) -> Result<()> {
    let NodesArguments { nodes, group, routes, losses, debug } = *arguments;
    let n_groups = nodes.checked_div(group).unwrap_or_default();
    if !(1..=200).contains(&n_groups) || group * routes > 250 || nodes < scene::ROUTERS {
        bail!(
            "`--nodes` over `--group` is from 1 to 200, `--group` times `--routes` at most 250, and \
             there are at least {} nodes",
            scene::ROUTERS
        );
    }
    if losses == 0 || losses >= scene::ROUTERS {
        bail!("`--losses` is from 1 to {}", scene::ROUTERS - 1);
    }
    let folder = tempfile::tempdir()?;
    let scene = Scene { nodes: n_groups * group, group, routes };
    let programs = build(debug)?;
    let mut controller = Controller::start(&scene, folder.path(), &programs)?;
    let spec = controller.prepare(&scene, losses)?;
    let mut load = Command::new(programs.join("xtask"));
    load.args(["bench-child", "nodes"]);
    let figures = load::drive(&mut load, folder.path(), &spec, &mut controller.process)?;
    println!("Measured on {}; by", machine::describe()?);
    println!(
        "`cargo xtask bench nodes --nodes {} --group {group} --routes {routes} --losses {losses}`.\n",
        scene.nodes
    );
    report::print(&scene, &figures)
}

/// Where both programs lie.
fn build(debug: bool) -> Result<std::path::PathBuf> {
    let mut build = vec!["build", "--quiet", "--package", "rutter", "--package", "xtask"];
    let profile = if debug { "debug" } else { "release" };
    if !debug {
        build.push("--release");
    }
    shell::run(&mut shell::cargo(build))?;
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => target.into(),
        None => shell::root()?.join("target"),
    };
    Ok(target.join(profile))
}

/// The controller; ended when dropped.
struct Controller {
    process: Process,
    api: std::net::SocketAddr,
    policy: std::path::PathBuf,
    token: String,
}

impl Controller {
    fn start(scene: &Scene, folder: &Path, programs: &Path) -> Result<Self> {
        let [api, link] = [free_address()?, free_address()?];
        let (data, policy) = (folder.join("data"), folder.join("policy.hujson"));
        std::fs::write(&policy, scene.policy(false)?)?;
        let file = folder.join("rutter.yaml");
        let config = format!(
            "domain: example.org\ndata: {}\nlisteners:\n  api: {api}\n  link: {link}\n\
             controller: {{}}\nnodes:\n  policy: {}\n",
            data.display(),
            policy.display()
        );
        std::fs::write(&file, config)?;
        let mut command = Command::new(programs.join("rutter"));
        command.args(["run", "--config"]).arg(&file);
        let mut process = Process::start("rutter", &mut command, folder)?;
        process.until("ready", || api::get(api, "", "/readyz").is_ok())?;
        let token = std::fs::read_to_string(data.join("admin.token"))?.trim().to_owned();
        Ok(Self { process, api, policy, token })
    }

    /// Users and their keys, and what the load process must know.
    fn prepare(&mut self, scene: &Scene, losses: usize) -> Result<Spec> {
        let link = api::get(self.api, "", "/v1/link")?;
        let text = |value: &Value, key| {
            let text = value.get(key).and_then(Value::as_str).map(str::to_owned);
            text.with_context(|| format!("no `{key}` in {value}"))
        };
        let mut keys = Vec::new();
        for group in 0..scene.groups() {
            let name = Scene::user(group);
            api::post(self.api, &self.token, "/v1/users", &json!({ "name": name }))?;
            let wanted = json!({ "user": name, "reusable": true });
            let made = api::post(self.api, &self.token, "/v1/preauth-keys", &wanted)?;
            keys.push(text(&made, "secret")?);
        }
        Ok(Spec {
            scene: *scene,
            address: text(&link, "address")?,
            pin: text(&link, "pin")?,
            keys,
            losses,
            controller: self.process.id(),
            policy: self.policy.clone(),
        })
    }
}

/// An address that nobody has at the moment.
fn free_address() -> Result<std::net::SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

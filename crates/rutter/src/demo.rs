//! `rutter demo`: a failover, shown in under a minute.
//!
//! All parts are real and in this process: a controller and a gateway as `rutter up` starts them,
//! in a temporary data directory and on free ports of loopback; an agent that registers a direct
//! way and a tunnel for one name; two small services at the ends of those ways. Only the death of
//! the direct way is staged. What is told is what was seen: a request that fails ends the
//! demonstration with an error, so it is a test as well.

mod cast;
mod fabric;
mod namespace;
mod nodes;
mod overlay;
mod story;
mod upstream;
mod walker;

use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use crate::config::resolved::{Log, LogFormat};
use crate::run::{Logging, Signals};

use cast::Cast;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter demo
  rutter demo --keep      and look around from another shell, with the lines it prints
  rutter demo fabric      clusters that forward for each other, one dies, one changes its key
  rutter demo overlay     hosts that learn networks from each other, and one dies; as root
  rutter demo nodes       routers of one network, approved, killed and drained; as root

It uses free ports and a temporary directory, and leaves nothing behind.")]
pub(crate) struct Demo {
    #[command(subcommand)]
    of: Option<Of>,
    /// Leave it running afterwards, and print lines to look around with
    #[arg(long)]
    keep: bool,
    /// Show logs of this level too
    #[arg(long, value_name = "LEVEL", default_value = "off")]
    log_level: String,
}

/// What else can be shown.
#[derive(Debug, Subcommand)]
enum Of {
    /// Show a fabric: four clusters of this machine, a service of one asked for in another
    Fabric,
    /// Show an overlay: three hosts in namespaces of this machine, one of which dies; needs root
    Overlay,
    /// Show nodes: two routers of a network and who uses it, in namespaces of this machine; needs root
    Nodes,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.of {
            Some(Of::Fabric) => return tokio::task::spawn_blocking(fabric::tell).await?,
            Some(Of::Overlay) => return tokio::task::spawn_blocking(overlay::tell).await?,
            Some(Of::Nodes) => return tokio::task::spawn_blocking(nodes::tell).await?,
            None => {}
        }
        let log = Log { format: LogFormat::Text, level: self.log_level.clone() };
        let logging = Logging::start(&log)?;
        let mut signals = Signals::hear()?;
        let cast = Cast::start(logging).await?;
        let told = tokio::select! {
            told = story::tell(&cast) => told,
            () = signals.end() => Ok(()),
        };
        let told = match told {
            Ok(()) if self.keep => {
                say(&cast.how_to_look_around()?)?;
                tokio::select! {
                    kept = cast.keep() => kept,
                    () = signals.end() => Ok(()),
                }
            }
            told => told,
        };
        cast.end().await?;
        told
    }
}

/// Tells something.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// How long anything may take to come about before a demonstration has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so.
fn wait(what: &str, is_so: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let since = Instant::now();
    while !is_so()? {
        if since.elapsed() > PATIENCE {
            anyhow::bail!("{what}: not within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

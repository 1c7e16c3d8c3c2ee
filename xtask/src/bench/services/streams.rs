//! Bytes and datagrams through Rutter, nginx and HAProxy, in turns.
//!
//! Each proxy is a process of its own with two workers. In every round each gets the same load one
//! after the other, the next round begins with another, and the first round is thrown away. What
//! counts is the proxy's CPU over the bytes, or over the datagrams, that came back to the clients.

mod contender;
mod load;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

pub(super) use self::contender::Contender;
pub(super) use self::load::Load;
use self::load::Targets;
use crate::bench::statistics::Spread;
use crate::debian::{DebianTool, ensure_debian};
use crate::shell;

const TOOLS: [DebianTool; 2] = [
    DebianTool { program: "nginx", package: "nginx" },
    DebianTool { program: "haproxy", package: "haproxy" },
];

/// What nginx needs for streams, which Debian packs apart.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// One turn of a contender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) cpu: Duration,
    /// Bytes, or datagrams.
    pub(super) moved: u64,
    pub(super) seconds: f64,
}

impl Turn {
    /// Nanoseconds of CPU a KiB, or a datagram.
    fn cpu_each(&self, load: Load) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / (self.moved as f64 / load.unit())
    }
}

/// All turns.
#[derive(Debug, Default)]
pub(super) struct Streams {
    turns: BTreeMap<(Load, Contender), Vec<Turn>>,
}

impl Streams {
    pub(super) fn measure(
        program: &Path,
        folder: &Path,
        rounds: usize,
        seconds: u64,
    ) -> Result<Self> {
        ensure_debian(&TOOLS, "`bench services`")?;
        if !Path::new(MODULE).exists() {
            // A program that nobody has, so that the package is fetched.
            let module = DebianTool { program: MODULE, package: "libnginx-mod-stream" };
            ensure_debian(&[module], "`bench services`")?;
        }
        let targets = Targets::start()?;
        let mut running = Vec::new();
        for contender in Contender::ALL {
            running.push(contender.start(&targets, program, &folder.join("streams"))?);
        }
        let mut streams = Self::default();
        for round in 0..=rounds {
            for load in Load::ALL {
                for turn in 0..running.len() {
                    let at = (turn + round) % running.len();
                    let proxy = running.get(at).context("below the length")?;
                    if !load.is_for(proxy.contender) {
                        continue;
                    }
                    let before = proxy.process.cpu()?;
                    let moved = load.run(proxy, Duration::from_secs(seconds))?;
                    let cpu = proxy.process.cpu()?.since(before).total();
                    let turn = Turn { cpu, moved, seconds: seconds as f64 };
                    if round > 0 {
                        streams.turns.entry((load, proxy.contender)).or_default().push(turn);
                    }
                }
            }
        }
        Ok(streams)
    }

    /// Of each load and contender: CPU each, and how much a second.
    pub(super) fn rows(&self) -> Result<Vec<(Load, Contender, Spread, f64)>> {
        let row = |((load, contender), turns): (&(Load, Contender), &Vec<Turn>)| {
            let each = Spread::of(turns.iter().map(|turn| turn.cpu_each(*load)));
            let rate = Spread::of(turns.iter().map(|turn| turn.moved as f64 / turn.seconds));
            let each = each.context("no round was measured")?;
            Ok((*load, *contender, each, rate.context("no round was measured")?.median))
        };
        self.turns.iter().map(row).collect()
    }

    /// Rutter's CPU over that of the better of the others, round by round.
    pub(super) fn ratio(&self, load: Load) -> Result<Spread> {
        let of = |contender| self.turns.get(&(load, contender));
        let ours = of(Contender::Rutter).context("Rutter was not measured")?;
        let ratios = ours.iter().enumerate().filter_map(|(round, ours)| {
            let others = [Contender::Nginx, Contender::Haproxy].into_iter();
            let theirs = others.filter_map(|other| of(other)?.get(round));
            let best = theirs.map(|turn| turn.cpu_each(load)).min_by(f64::total_cmp)?;
            Some(ours.cpu_each(load) / best)
        });
        Spread::of(ratios).context("no other was measured")
    }
}

/// Who is compared; nobody without rounds.
pub(super) fn versions(rounds: usize) -> Result<String> {
    if rounds == 0 {
        return Ok("no streams".to_owned());
    }
    // nginx says it on the output for errors.
    let nginx = Command::new("/usr/sbin/nginx").arg("-v").output()?;
    let nginx = String::from_utf8_lossy(&nginx.stderr).replace("nginx version: nginx/", "nginx ");
    let haproxy = shell::output(Command::new("/usr/sbin/haproxy").arg("-v"))?;
    let haproxy = haproxy.split_whitespace().nth(2).context("HAProxy says its version")?;
    Ok(format!("{}, HAProxy {haproxy}", nginx.trim()))
}

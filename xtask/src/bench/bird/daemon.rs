//! One BIRD daemon: started, asked, watched, ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::namespace::Namespace;
use crate::shell;

/// How long anything may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// At rest is who takes less than [`IDLE`] of CPU in so long.
const REST: Duration = Duration::from_millis(600);
const IDLE: Duration = Duration::from_micros(500);

/// A daemon in a namespace; killed when dropped.
pub(super) struct Daemon {
    child: Child,
    name: &'static str,
    socket: PathBuf,
    log: PathBuf,
}

/// CPU time that a daemon has taken since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cpu(Duration);

impl Cpu {
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(super) fn start(
        namespace: &Namespace,
        folder: &Path,
        name: &'static str,
        config: &str,
    ) -> Result<Self> {
        let path = |extension: &str| folder.join(name).with_extension(extension);
        let (file, socket, log) = (path("conf"), path("ctl"), path("log"));
        std::fs::write(&file, config)?;
        let errors = File::create(&log)?;
        let mut bird = Command::new("ip");
        // `ip` becomes the daemon, so the child's id is the daemon's.
        bird.args(["netns", "exec", namespace.name(), "bird", "-f", "-c"]).arg(&file);
        bird.arg("-s").arg(&socket).arg("-P").arg(path("pid"));
        bird.stdin(Stdio::null()).stdout(errors.try_clone()?).stderr(errors);
        let child = with_sbin(&mut bird).spawn().context("could not start BIRD")?;
        let mut daemon = Self { child, name, socket, log };
        daemon.until_it_answers()?;
        Ok(daemon)
    }

    fn until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.ask("show status").is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("BIRD, the {}, ended at once: {status}\n{said}", self.name);
            }
            self.nap(deadline, "it doesn't answer")?;
        }
        Ok(())
    }

    /// A line to its control socket, and what it says to it.
    pub(super) fn ask(&self, line: &str) -> Result<String> {
        let mut client = command("birdc", &[]);
        client.arg("-s").arg(&self.socket).args(line.split(' '));
        shell::output(&mut client)
    }

    /// Waits until its answer contains a text.
    pub(super) fn until_says(&self, line: &str, expected: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.ask(line)?.contains(expected) {
            self.nap(deadline, &format!("`{line}` doesn't say `{expected}`"))?;
        }
        Ok(())
    }

    /// A command to it, whose answer doesn't matter.
    pub(super) fn tell(&self, line: &str) -> Result<()> {
        self.ask(line).map(drop)
    }

    /// Ends it without a word to its neighbour.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its CPU time once it rests and is done with what was asked of it.
    pub(super) fn cpu_at_rest(&self, is_done: impl Fn() -> Result<bool>) -> Result<Cpu> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let cpu = self.rest(deadline)?;
            if is_done()? {
                return Ok(cpu);
            }
        }
    }

    fn rest(&self, deadline: Instant) -> Result<Cpu> {
        let mut last = self.cpu()?;
        let mut since = Instant::now();
        while since.elapsed() < REST {
            self.nap(deadline, "it isn't done")?;
            let cpu = self.cpu()?;
            if cpu.since(last) > IDLE {
                (last, since) = (cpu, Instant::now());
            }
        }
        self.cpu()
    }

    fn cpu(&self) -> Result<Cpu> {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("no {path}"))?;
        let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
        let nanoseconds = nanoseconds.with_context(|| format!("{path} says `{text}`"))?;
        Ok(Cpu(Duration::from_nanos(nanoseconds)))
    }

    fn nap(&self, deadline: Instant, what: &str) -> Result<()> {
        if Instant::now() > deadline {
            bail!("BIRD, the {}: {what} after {} s", self.name, PATIENCE.as_secs());
        }
        std::thread::sleep(POLL);
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("warning: BIRD, the {}, may still run: {error:#}", self.name);
        }
    }
}

/// Such as `BIRD 2.0.12`.
pub(super) fn version() -> Result<String> {
    // It is written to the output for errors.
    let output = command("bird", &["--version"]).output().context("could not start BIRD")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let version = said.trim().strip_prefix("BIRD version ");
    let version = version.with_context(|| format!("`bird --version` says `{}`", said.trim()))?;
    Ok(format!("BIRD {version}"))
}

/// A program of Debian's, found also where a user's path doesn't look.
fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    with_sbin(command.args(arguments));
    command
}

fn with_sbin(command: &mut Command) -> &mut Command {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"))
}

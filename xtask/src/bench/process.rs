//! Processes that are measured: their CPU time and their memory, those that they started included.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before the bench is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// How long a process may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(20);

/// The tick of `/proc/PID/stat`, which is 100 to the second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A process; ended when dropped.
pub(super) struct Process {
    child: Child,
    name: String,
    said: PathBuf,
}

/// CPU time since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cpu {
    pub(super) user: Duration,
    pub(super) system: Duration,
}

impl Cpu {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    pub(super) fn total(self) -> Duration {
        self.user + self.system
    }
}

impl Process {
    /// Starts it; what it says goes to `NAME.out` and `NAME.err` in the folder.
    pub(super) fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let said = folder.join(format!("{name}.err"));
        let output = File::create(folder.join(format!("{name}.out")))?;
        command.stdout(output).stderr(File::create(&said)?);
        Self::spawn(name, command, said)
    }

    /// Starts it, its output and input being ours.
    pub(super) fn start_to_talk(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let said = folder.join(format!("{name}.err"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&said)?);
        Self::spawn(name, command, said)
    }

    fn spawn(name: &str, command: &mut Command, said: PathBuf) -> Result<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        // Debian keeps daemons in folders that a user's path may not name.
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        let child = command.spawn().with_context(|| format!("could not start {name}"))?;
        Ok(Self { child, name: name.to_owned(), said })
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until `is_so` says yes; a process that ended is an error with what it said.
    pub(super) fn until(&mut self, what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(&self.said).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                bail!("{}: not {what}; it said last:\n{}", self.name, last.join("\n"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Of it and its children, all their threads.
    pub(super) fn cpu(&self) -> Result<Cpu> {
        let mut sum = Cpu::default();
        for process in self.family()? {
            let Cpu { user, system } = cpu_of(process)?;
            sum.user += user;
            sum.system += system;
        }
        Ok(sum)
    }

    /// Bytes of memory, each page shared with others counted by its share.
    pub(super) fn memory(&self) -> Result<u64> {
        let mut sum = 0;
        for process in self.family()? {
            sum += memory_of(process)?;
        }
        Ok(sum)
    }

    fn family(&self) -> Result<Vec<u32>> {
        let mut family = vec![self.child.id()];
        let mut at = 0;
        while let Some(process) = family.get(at) {
            let path = format!("/proc/{process}/task/{process}/children");
            let children = std::fs::read_to_string(&path).with_context(|| path)?;
            let numbers: Result<Vec<u32>, _> =
                children.split_whitespace().map(str::parse).collect();
            family.extend(numbers?);
            at += 1;
        }
        Ok(family)
    }

    fn end(&mut self) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("a process has an id")?;
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // Asked, since nginx's workers outlive a master that is killed.
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + FAREWELL;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("warning: {} may still run: {error:#}", self.name);
        }
    }
}

/// CPU time of one process, all its threads.
pub(super) fn cpu_of(process: u32) -> Result<Cpu> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = |at| field_of_stat(&stat, at).with_context(|| format!("strange: {stat}"));
    // proc(5): utime is the 14th, stime the 15th.
    Ok(Cpu { user: TICK * ticks(14)?, system: TICK * ticks(15)? })
}

/// Bytes of memory of one process, each page shared with others counted by its share.
pub(super) fn memory_of(process: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    let kib: u64 = kib.with_context(|| format!("no Pss of {process}: {text}"))?;
    Ok(kib * 1024)
}

/// A field of `/proc/PID/stat`, counted from 1; the second may hold spaces and brackets.
fn field_of_stat(stat: &str, at: usize) -> Option<u32> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(at.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b ) S 1 7 7 0 -1 4194560 97 0 0 0 120 34 0 0 20";
        assert_eq!(field_of_stat(stat, 14), Some(120));
        assert_eq!(field_of_stat(stat, 15), Some(34));
        assert_eq!(field_of_stat(stat, 99), None);
    }

    #[test]
    fn a_process_has_memory_and_its_end_is_seen() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut sleeper = Process::start("sleep", Command::new("sleep").arg("60"), folder.path())?;
        sleeper.until("there", || true)?;
        assert!(sleeper.memory()? > 0);
        assert_eq!(sleeper.family()?.len(), 1);
        sleeper.end()?;
        let error = sleeper.until("back", || false).unwrap_err().to_string();
        assert!(error.starts_with("sleep: not back"), "{error}");
        Ok(())
    }
}

//! A process that another one started in its place.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{PATIENCE, Up};

/// A process that isn't the test's child; it ends with the test.
pub(crate) struct Heir(pub(crate) u64);

impl Heir {
    /// The one that `run.json` names.
    pub(crate) fn of(up: &Up) -> Self {
        Self(up.run_file()["pid"].as_u64().expect("a pid"))
    }

    /// The one of a line such as `handed over: … pid=17`.
    pub(crate) fn announced(line: &str) -> Self {
        let (_, pid) = line.split_once("pid=").expect("a pid");
        Self(pid.split_whitespace().next().unwrap_or_default().parse().expect("a number"))
    }

    fn lives(&self) -> bool {
        Path::new(&format!("/proc/{}/exe", self.0)).exists()
            && std::fs::read_link(format!("/proc/{}/exe", self.0)).is_ok()
    }

    pub(crate) fn signal(&self, name: &str) -> bool {
        let sent = Command::new("kill").args([name, &self.0.to_string()]).output();
        sent.expect("kill is there").status.success()
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(self) {
        assert!(self.signal("-TERM"));
        let until = Instant::now() + PATIENCE;
        while self.lives() {
            assert!(Instant::now() < until, "it doesn't end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        if self.lives() {
            self.signal("-KILL");
        }
    }
}

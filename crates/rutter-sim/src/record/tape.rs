//! Where lines go while a network runs.

use std::fmt;
use std::io::Write;

use rutter_protocol::Output;
use rutter_protocol::speaker::Input;
use rutter_route::{AnyDestination, ClusterId, Now};
use sha2::{Digest, Sha256};

use super::{Boot, Head, Line};
use crate::faults::Fault;

/// A recording that is being made. What can't be written ends it, and is told at its end.
pub struct Tape {
    to: Box<dyn Write + Send>,
    failed: Option<std::io::Error>,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Tape {
    /// A recording that begins with this line.
    pub fn new(to: Box<dyn Write + Send>, head: &Head) -> Self {
        let mut tape = Self { to, failed: None };
        tape.put(head);
        tape
    }

    fn put(&mut self, line: &impl serde::Serialize) {
        if self.failed.is_some() {
            return;
        }
        let text = serde_json::to_string(line).map_err(std::io::Error::other);
        let put = text.and_then(|text| writeln!(self.to, "{text}"));
        self.failed = put.err();
    }

    pub(crate) fn booted(&mut self, boot: &Boot) {
        self.put(&Line::Boot(Box::new(boot.clone())));
    }

    pub(crate) fn stopped(&mut self, cluster: &ClusterId) {
        self.put(&Line::Stop { cluster: cluster.clone() });
    }

    pub(crate) fn input(&mut self, cluster: &ClusterId, now: Now, input: Input, out: &[Output]) {
        self.put(&Line::Input { cluster: cluster.clone(), now, input, out: digest(out) });
    }

    pub(crate) fn own(&mut self, cluster: &ClusterId, now: Now, what: &AnyDestination, gone: bool) {
        self.put(&Line::Own {
            cluster: cluster.clone(),
            now,
            destination: what.clone(),
            withdrawn: gone,
        });
    }

    pub(crate) fn fault(&mut self, at: u64, fault: &Fault) {
        self.put(&Line::Fault { at, fault: fault.clone() });
    }

    pub(crate) fn end(&mut self, cluster: &ClusterId, tables: String) {
        self.put(&Line::End { cluster: cluster.clone(), tables });
    }

    /// Ends it.
    ///
    /// # Errors
    /// What couldn't be written.
    pub fn finish(mut self) -> Result<(), std::io::Error> {
        match self.failed.take() {
            Some(failed) => Err(failed),
            None => self.to.flush(),
        }
    }
}

/// A digest of outputs, in their order.
pub(super) fn digest(out: &[Output]) -> String {
    let hash = Sha256::digest(format!("{out:?}"));
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

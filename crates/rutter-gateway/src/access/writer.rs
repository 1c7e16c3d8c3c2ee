//! The thread that writes the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Lines, PERIOD, Queue};

/// Where lines go.
pub(super) enum Sink {
    File(File),
    Stdout(io::Stdout),
}

impl Sink {
    /// Opens a file for appending, or standard output.
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        match file {
            None => Ok(Self::Stdout(io::stdout())),
            Some(path) => Ok(Self::File(OpenOptions::new().create(true).append(true).open(path)?)),
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(lines),
            Self::Stdout(out) => out.write_all(lines).and_then(|()| out.flush()),
        }
    }
}

/// Takes lines and writes them.
pub(super) struct Writer {
    sink: Sink,
    file: Option<PathBuf>,
    queue: Arc<Queue>,
    /// Whether the last writing failed; told once.
    failing: bool,
    n_dropped: u64,
}

impl Writer {
    pub(super) fn new(sink: Sink, file: Option<PathBuf>, queue: Arc<Queue>) -> Self {
        Self { sink, file, queue, failing: false, n_dropped: 0 }
    }

    pub(super) fn run(mut self) {
        let queue = self.queue.clone();
        let mut taken = Lines::default();
        loop {
            // Asked before the lines are taken: what was pushed before the stop is written.
            let stop = queue.stop.load(Ordering::Acquire);
            if queue.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            for stripe in &queue.stripes {
                std::mem::swap(&mut taken, &mut stripe.lock().0);
                if taken.n > 0 {
                    let written = self.sink.write(&taken.text);
                    self.tell(written, taken.n);
                }
                empty(&mut taken);
            }
            if stop {
                return;
            }
            std::thread::park_timeout(PERIOD);
        }
    }

    fn tell(&mut self, written: io::Result<()>, n_lines: u64) {
        match written {
            Err(error) => {
                self.queue.metrics.access_log_dropped.add(n_lines);
                if !self.failing {
                    tracing::error!(%error, "the access log can't be written");
                }
                self.failing = true;
            }
            Ok(()) => {
                let n_dropped = self.queue.metrics.access_log_dropped.get();
                if n_dropped > self.n_dropped {
                    let n_lines = n_dropped - self.n_dropped;
                    tracing::warn!(n_lines, "lines of the access log were dropped");
                }
                (self.failing, self.n_dropped) = (false, n_dropped);
            }
        }
    }

    fn reopen(&mut self) {
        match Sink::open(self.file.as_deref()) {
            Ok(sink) => self.sink = sink,
            Err(error) => tracing::error!(%error, "the access log stays with its old file"),
        }
    }
}

/// Makes room for the next lines: as much as they take again, and of a burst no more than that.
fn empty(lines: &mut Lines) {
    lines.n = 0;
    let n = lines.text.len();
    lines.text.clear();
    lines.text.shrink_to(2 * n);
}

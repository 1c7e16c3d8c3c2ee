//! The thread that writes the log.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{AccessLogConfig, PERIOD, Queue, Record, line};

/// Bytes of lines written at once.
const BUFFER: usize = 64 * 1024;

/// Where lines go.
pub(super) enum Sink {
    File(BufWriter<File>),
    Stdout(BufWriter<io::Stdout>),
}

impl Sink {
    /// Opens a file for appending, or standard output.
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        match file {
            None => Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout()))),
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                Ok(Self::File(BufWriter::with_capacity(BUFFER, file)))
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(line),
            Self::Stdout(out) => out.write_all(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

/// Takes records and writes lines.
pub(super) struct Writer {
    sink: Sink,
    config: AccessLogConfig,
    queue: Arc<Queue>,
    /// Whether the last writing failed; told once.
    failing: bool,
    n_dropped: u64,
}

impl Writer {
    pub(super) fn new(sink: Sink, config: AccessLogConfig, queue: Arc<Queue>) -> Self {
        Self { sink, config, queue, failing: false, n_dropped: 0 }
    }

    pub(super) fn run(mut self) {
        let mut taken = Vec::new();
        loop {
            // Asked before the list is taken: what was pushed before the stop is written.
            let stop = self.queue.stop.load(Ordering::Acquire);
            if self.queue.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            std::mem::swap(&mut taken, &mut *self.queue.records());
            let written = self.write(&taken);
            self.tell(written, taken.len());
            taken.clear();
            if stop {
                return;
            }
            std::thread::park_timeout(PERIOD);
        }
    }

    fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let mut text = Vec::with_capacity(512);
        for record in records {
            text.clear();
            line::write(&mut text, self.config.format, record);
            self.sink.write(&text)?;
        }
        if records.is_empty() { Ok(()) } else { self.sink.flush() }
    }

    fn tell(&mut self, written: io::Result<()>, n_records: usize) {
        match written {
            Err(error) => {
                self.queue.metrics.access_log_dropped.add(n_records as u64);
                if !self.failing {
                    tracing::error!(%error, "the access log can't be written");
                }
                self.failing = true;
            }
            Ok(()) if n_records > 0 => {
                let n_dropped = self.queue.metrics.access_log_dropped.get();
                if n_dropped > self.n_dropped {
                    let n_lines = n_dropped - self.n_dropped;
                    tracing::warn!(n_lines, "lines of the access log were dropped");
                }
                (self.failing, self.n_dropped) = (false, n_dropped);
            }
            Ok(()) => {}
        }
    }

    fn reopen(&mut self) {
        match Sink::open(self.config.file.as_deref()) {
            Ok(sink) => self.sink = sink,
            Err(error) => tracing::error!(%error, "the access log stays with its old file"),
        }
    }
}

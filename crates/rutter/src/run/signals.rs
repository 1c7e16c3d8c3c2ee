//! Signals, heard from before anything starts.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal as Unix, SignalKind, signal};

/// How long after the first a second signal means impatience.
const INSIST: Duration = Duration::from_secs(1);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM, SIGINT: end well.
    End,
    /// SIGHUP: read the file again.
    Reload,
    /// SIGUSR1: open log files again.
    Reopen,
    /// SIGUSR2: hand over to the program as it lies there now.
    Upgrade,
}

/// The signals of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    term: Unix,
    int: Unix,
    hup: Unix,
    usr1: Unix,
    usr2: Unix,
}

impl Signals {
    /// Hears them from now on.
    ///
    /// # Errors
    /// The system gives no handler.
    pub(crate) fn hear() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::End,
            _ = self.int.recv() => Signal::End,
            _ = self.hup.recv() => Signal::Reload,
            _ = self.usr1.recv() => Signal::Reopen,
            _ = self.usr2.recv() => Signal::Upgrade,
        }
    }

    /// The next one that ends.
    pub(crate) async fn end(&mut self) {
        while self.next().await != Signal::End {}
    }

    /// One that ends and comes when [`INSIST`] has passed: the same keypress may reach a program
    /// more than once, from the terminal and from a wrapper that passes it on.
    pub(crate) async fn insists(&mut self) {
        let since = Instant::now();
        loop {
            self.end().await;
            if since.elapsed() >= INSIST {
                return;
            }
        }
    }
}

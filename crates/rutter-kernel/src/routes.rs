//! Routes that somebody holds as a whole and hands over each time they change: a sink without a book.
//!
//! ```text
//!   watch::Receiver<RoutesSpec> ──▶ keeper ──▶ sink ──▶ kernel
//!   watch::Receiver<Status>     ◀── number: so far it is in the kernel
//! ```
//!
//! What a node is told of routes is ranked already, by its controller. A table of a book in between
//! would rank one candidate each, and hide which of the words it was told are in the kernel; that is
//! what the node has to say ([`Status::number`]).
//!
//! Level-triggered like everything here: what differs from what was wanted before is put, and all of
//! it is looked at when something happens to links or routes, and now and then.
//!
//! Bound: [`MAX_ROUTES`] routes; what is wanted beyond is refused, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::KernelError;
use crate::fib::{Target, Wanted};
use crate::keeper::{self, Keep, Kept};
use crate::sink::{Looked, Settled, Sink, SinkSpec};
use crate::task::{AtEnd, DEFAULT_AUDIT, hearing};
use crate::watch::Watch;

/// The most routes.
pub const MAX_ROUTES: usize = 100_000;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoutesSpec {
    /// Whoever wants it knows it by this number.
    pub number: u64,
    /// The routes; `None`: it isn't known yet, and what a predecessor left stays as it is.
    pub routes: Option<Arc<BTreeMap<Prefix, Wanted>>>,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The number of what is in the kernel, but for what is refused; `None`: nothing yet.
    pub number: Option<u64>,
    /// Routes of ours in the kernel.
    pub n_routes: usize,
    /// Routes found at the start that a predecessor left.
    pub n_adopted: usize,
    /// Routes that someone else removed or changed, since the start.
    pub n_drift: u64,
    /// What isn't in the kernel, and why.
    pub refused: BTreeMap<Prefix, String>,
    /// Why the kernel can't be asked, until it can be again.
    pub failed: Option<String>,
}

/// Running.
#[derive(Debug)]
pub struct Task {
    /// How it stands.
    pub status: watch::Receiver<Status>,
    /// Ends when it was stopped.
    pub ended: JoinHandle<Result<(), KernelError>>,
}

/// Opens the sockets in the network namespace of the calling thread, and keeps the routes as they
/// are wanted until it is told to stop; then `at_end` is done with them.
///
/// # Errors
/// The spec makes no sense, or there is no socket.
pub fn start(
    sink: SinkSpec,
    wanted: watch::Receiver<RoutesSpec>,
    at_end: AtEnd,
    stop: CancellationToken,
) -> Result<Task, KernelError> {
    let sink = Sink::open(sink)?;
    // Before the first look: what happens in between is heard.
    let watches = vec![Watch::open(hearing(sink.spec().clone()), sink.port())?];
    let (status, shown) = watch::channel(Status::default());
    let routes = Routes { sink, at_end, wanted: Arc::default(), heard: None, status };
    let ended = tokio::spawn(keeper::run(routes, wanted, watches, DEFAULT_AUDIT, stop));
    Ok(Task { status: shown, ended })
}

/// The keeper's part.
struct Routes {
    sink: Sink,
    at_end: AtEnd,
    /// What the sink was told to want.
    wanted: Arc<BTreeMap<Prefix, Wanted>>,
    /// The spec that was heard last; the same again means that something happened.
    heard: Option<RoutesSpec>,
    status: watch::Sender<Status>,
}

impl Routes {
    /// Tells the sink what has changed.
    fn want(&mut self, routes: &Arc<BTreeMap<Prefix, Wanted>>) {
        if Arc::ptr_eq(routes, &self.wanted) {
            return;
        }
        for prefix in self.wanted.keys().filter(|prefix| !routes.contains_key(prefix)) {
            self.sink.want(*prefix, None);
        }
        for (n, (prefix, wanted)) in routes.iter().enumerate() {
            if n >= MAX_ROUTES {
                let why = format!("there are more than {MAX_ROUTES} routes");
                let refused = Wanted { target: Target::Refused(why), priority: wanted.priority };
                self.sink.want(*prefix, Some(refused));
            } else if self.wanted.get(prefix) != Some(wanted) {
                self.sink.want(*prefix, Some(wanted.clone()));
            }
        }
        self.wanted = routes.clone();
        self.sink.sweep();
    }

    fn show(&self, spec: &RoutesSpec, looked: Looked, settled: Settled) {
        self.status.send_modify(|status| {
            if spec.routes.is_some() {
                status.number = Some(spec.number);
            }
            if status.n_adopted == 0 {
                status.n_adopted = looked.adopted;
            }
            let drift = looked.drift + settled.n_drift;
            status.n_drift += u64::try_from(drift).unwrap_or(u64::MAX);
            status.n_routes = self.sink.n_routes();
            status.failed = None;
            for prefix in settled.accepted {
                status.refused.remove(&prefix);
            }
            status.refused.retain(|prefix, _| self.wanted.contains_key(prefix));
            for (prefix, why) in settled.refused {
                if status.refused.insert(prefix, why.clone()).as_ref() != Some(&why) {
                    tracing::warn!(%prefix, why, "a route isn't used");
                }
            }
        });
        if looked.drift + settled.n_drift > 0 {
            tracing::warn!("someone else removed or changed routes of ours; they are put right");
        }
    }
}

impl Keep for Routes {
    type Spec = RoutesSpec;

    fn keep(&mut self, spec: &RoutesSpec) -> Result<Kept, KernelError> {
        // Where only other routes are wanted, what is there is known.
        let is_news = self.heard.as_ref().is_some_and(|heard| heard != spec);
        let looked = if is_news { Looked::default() } else { self.sink.look()? };
        // Not known again until all went well.
        self.heard = None;
        if let Some(routes) = &spec.routes {
            self.want(routes);
        }
        let settled = self.sink.settle()?;
        self.heard = Some(spec.clone());
        self.show(spec, looked, settled);
        Ok(Kept::Whole)
    }

    fn failed(&mut self, error: &KernelError) {
        self.status.send_modify(|status| status.failed = Some(error.to_string()));
    }

    fn end(&mut self) -> Result<(), KernelError> {
        match self.at_end {
            AtEnd::Flush => self.sink.flush(),
            AtEnd::Adopt | AtEnd::Leave => Ok(()),
        }
    }
}

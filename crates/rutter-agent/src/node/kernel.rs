//! A node's parts of the kernel: routes to others' networks, forwarding to its own, and which
//! networks it is in.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use rutter_kernel::routes::{self, RoutesSpec};
use rutter_kernel::snat::{self, SnatSpec};
use rutter_kernel::source::{self, Found, Origin, SourceSpec};
use rutter_kernel::{AtEnd, DEFAULT_AUDIT, DEFAULT_PROTOCOL, KernelError, SinkSpec, abilities};
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::NodeConfig;
use super::ways::Ways;
use crate::AgentError;

/// The kernel's table `main`: what this host looks up for every packet.
const MAIN: u32 = 254;

/// Our routes' protocol number: not that of overlays' ([`DEFAULT_PROTOCOL`]), which may have a sink
/// in the same table of the same host.
const PROTOCOL: u8 = DEFAULT_PROTOCOL + 1;

/// See the module's head. Dropped, all of it stops; what is in the kernel goes only by
/// [`Kernel::end`].
pub(super) struct Kernel {
    wanted: watch::Sender<RoutesSpec>,
    pub(super) routes: watch::Receiver<routes::Status>,
    pub(super) found: watch::Receiver<Found>,
    /// Held so that the router keeps what it was told.
    _router: watch::Sender<SnatSpec>,
    /// Cancelled when one of the parts has ended by itself: nothing is kept as it is wanted then.
    pub(super) broken: CancellationToken,
    ended: Vec<JoinHandle<()>>,
    flush: CancellationToken,
    _stop: DropGuard,
}

impl Kernel {
    /// Begins, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel can't be spoken with, or this user may not change it.
    pub(super) fn start(config: &NodeConfig) -> Result<Self, AgentError> {
        let advertised = config.prefixes();
        if (config.uses_routes() || !advertised.is_empty()) && !abilities()?.may_change {
            return Err(AgentError::Node(
                "a node changes the kernel's routes: run it as root, or with CAP_NET_ADMIN".into(),
            ));
        }
        let (flush, stop) = (CancellationToken::new(), CancellationToken::new());
        let (wanted, heard) = watch::channel(RoutesSpec::default());
        // Stopped without `flush` nobody removes anything: a successor takes it on.
        let sink = SinkSpec { protocol: PROTOCOL, ..SinkSpec::new(MAIN, None) };
        let routes = routes::start(sink, heard, AtEnd::Flush, flush.clone())?;
        let (router, heard) =
            watch::channel(SnatSpec { networks: advertised, masquerade: config.masquerade });
        let snat = snat::start(heard, flush.clone())?;
        let spec = SourceSpec {
            connected: true,
            fixed: true,
            not_of: [PROTOCOL, DEFAULT_PROTOCOL].into(),
            ..SourceSpec::default()
        };
        let (_, heard) = watch::channel(spec);
        let source = source::start(heard, DEFAULT_AUDIT, stop.clone())?;
        let broken = CancellationToken::new();
        let watched = |what, ended| tokio::spawn(watch_over(what, ended, broken.clone()));
        // It changes nothing, so nobody waits for its end.
        drop(watched("this host's networks", source.ended));
        let ended = vec![
            watched("routes to others' networks", routes.ended),
            watched("forwarding to this node's networks", snat.ended),
        ];
        Ok(Self {
            wanted,
            routes: routes.status,
            found: source.found,
            _router: router,
            broken,
            ended,
            flush,
            _stop: stop.drop_guard(),
        })
    }

    /// Has these routes be in the kernel, and no others of ours. [`routes::Status::number`] says
    /// when.
    pub(super) fn want(&self, number: u64, ways: &Ways) {
        let routes = Some(Arc::new(ways.wanted()));
        self.wanted.send_replace(RoutesSpec { number, routes });
    }

    /// The networks that this host is in, and others that its operator has put routes to.
    pub(super) fn own(&self) -> (BTreeSet<Prefix>, BTreeSet<Prefix>) {
        let found = self.found.borrow();
        let of = |connected| {
            let is_it =
                move |own: &&source::OwnPrefix| (own.origin == Origin::Connected) == connected;
            found.prefixes.iter().filter(is_it).map(|own| own.prefix).collect()
        };
        (of(true), of(false))
    }

    /// Whether the kernel was looked at.
    pub(super) fn is_known(&self) -> bool {
        self.found.borrow().known
    }

    /// Removes what is ours.
    pub(super) async fn end(self) {
        self.flush.cancel();
        for ended in self.ended {
            // A panic of it was told already.
            drop(ended.await);
        }
    }
}

/// Says why a part has ended that should go on, or couldn't take all along.
async fn watch_over(
    what: &'static str,
    ended: JoinHandle<Result<(), KernelError>>,
    broken: CancellationToken,
) {
    let why = match ended.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!("{what}: {why}");
    broken.cancel();
}

/// Where a controller is, as far as it can be found out now.
pub(super) async fn addresses_of(remote: &str) -> Vec<IpAddr> {
    match tokio::net::lookup_host(remote).await {
        Ok(found) => found.map(|at| at.ip().to_canonical()).collect(),
        Err(error) => {
            tracing::debug!(remote, %error, "where the controller is isn't known");
            Vec::new()
        }
    }
}

//! The loop: a session that comes back whenever it is lost, and what is done with what it tells.
//!
//! ```text
//!  up ──▶ say what is advertised ──▶ report ──▶ registered
//!  map ─▶ ways ─▶ the kernel has them ─▶ applied      (what it takes back is held for a while)
//!  lost ─▶ all stays as it was told; the announcer dials again
//!  shutdown ─▶ goodbye ─▶ linger ─▶ what is ours goes from the kernel
//! ```
//!
//! The controller's question whether this node is there is answered here, by what brings routes into
//! the kernel: a node whose loop hangs shall not seem well.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_link::{
    Announcer, Answered, Backoff, LinkError, LinkKey, NodeUp, Refusal, RefusalCode, Seen,
    SourceReport, chance,
};
use rutter_route::{NodeId, Prefix};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::kernel::{Kernel, addresses_of};
use super::probe::{self, Verdict};
use super::told::{BRIEFLY, HOLD, Told};
use super::ways::{Here, Ways, ways};
use super::{LINGER, MAX_PROBES, NodeConfig, NodeStatus, said};
use crate::agent::SHUTDOWN_GRACE;
use crate::http::Http;
use crate::join::state::{By, Identity, Keeper, StateFile, blocking};
use crate::membership::{Joined, Member, Membership, link_refusal_advice};
use crate::pacing::at;
use crate::{AgentError, Phase};

/// A node that is away is no router, so it comes back sooner than others that have a lease.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(5) };

/// How long the controller's name may be looked up.
const LOOK_UP: Duration = Duration::from_secs(1);

pub(super) async fn run(
    config: NodeConfig,
    status: watch::Sender<NodeStatus>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let ended = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        // Nothing is lost with what is in flight: the key is stored, and nothing is said yet.
        entered = enter(&config, &status) => match entered {
            Ok((membership, _held)) => {
                let kernel = Kernel::start(&config)?;
                Session::start(&config, &status, membership, kernel).run(&shutdown).await
            }
            Err(error) => Err(error),
        },
    };
    status.send_modify(|status| {
        status.phase = Phase::Stopped;
        if let Err(error) = &ended {
            status.last_error = Some(error.to_string());
        }
    });
    ended
}

/// Takes the identity: its key, made if there is none, and what it joined by it. Another process of
/// the same node is waited for.
async fn enter(
    config: &NodeConfig,
    status: &watch::Sender<NodeStatus>,
) -> Result<(Arc<Membership>, File), AgentError> {
    let state = StateFile::new(&config.state_dir, "node", &config.name);
    let mut n_failures = 0;
    loop {
        let (taken, url) = (state.clone(), config.url.clone());
        let took = blocking(move || {
            taken.key()?;
            let held = taken.hold()?;
            // Read while it is held: another may have written it just before.
            Ok((taken.key()?, held, taken.load(&url)?))
        });
        match took.await {
            Ok((key, held, identity)) => {
                return Ok((Arc::new(membership(config, state, key, identity)?), held));
            }
            Err(error @ AgentError::InUse { .. }) => {
                n_failures += 1;
                let again_in = BACKOFF.wait(n_failures, chance());
                tracing::warn!(?again_in, "this node waits: {error}");
                status.send_modify(|status| {
                    (status.phase, status.last_error) = (Phase::Retrying, Some(error.to_string()));
                });
                tokio::time::sleep(again_in).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn membership(
    config: &NodeConfig,
    file: StateFile,
    key: LinkKey,
    identity: Option<Identity>,
) -> Result<Membership, AgentError> {
    let url = config.url.clone();
    let fingerprint = url.fingerprint();
    let joined: Option<Joined> = match identity {
        Some(Identity { by: By::Key(joined), spent })
            if spent == fingerprint || url.token.is_none() =>
        {
            Some(joined)
        }
        // Another token was given, which may be another owner's: it is joined anew by that, and who
        // is known already is told so.
        Some(_) | None => None,
    };
    let http = Http::new(url.controller.clone(), url.pin)?;
    let member = Member { url: url.clone(), name: config.name.to_string(), role: "node" };
    let keeper = Keeper { file, url, spent: fingerprint };
    Ok(Membership::by(http, member, key, joined, Arc::new(keeper)))
}

/// What waits for the kernel: then the map of that number is in use, and so many were heard.
struct Waiting {
    version: u64,
    number: u64,
    n_maps: u64,
}

/// A session that comes back whenever it is lost.
struct Session<'a> {
    config: &'a NodeConfig,
    status: &'a watch::Sender<NodeStatus>,
    membership: Arc<Membership>,
    announcer: Announcer,
    kernel: Kernel,
    here: Here,
    told: Told,
    ways: Ways,
    /// Rises with each that the kernel is told.
    version: u64,
    waiting: Option<Waiting>,
    /// This node's number; `None` before the first session.
    own: Option<NodeId>,
    /// Whether there is a session.
    up: bool,
    /// Whether no map was heard in it yet.
    is_fresh: bool,
    /// Until when what its first map left out is held.
    hold_until: Option<Instant>,
    /// Whether the controller has ever taken what is advertised.
    stood: bool,
    verdicts: mpsc::Receiver<Verdict>,
    /// Of what verdicts are told; taken when they are asked.
    tell: Option<mpsc::Sender<Verdict>>,
    stop_probes: CancellationToken,
    _stop: DropGuard,
}

impl<'a> Session<'a> {
    fn start(
        config: &'a NodeConfig,
        status: &'a watch::Sender<NodeStatus>,
        membership: Arc<Membership>,
        kernel: Kernel,
    ) -> Self {
        let announcer = Announcer::start(membership.clone(), BACKOFF);
        let (tell, verdicts) = mpsc::channel(MAX_PROBES);
        let stop_probes = CancellationToken::new();
        let here = Here {
            advertised: config.advertised.clone(),
            accepts_routes: config.accepts_routes,
            exit_node: config.exit_node.clone(),
            ..Here::default()
        };
        Self {
            config,
            status,
            membership,
            announcer,
            kernel,
            here,
            told: Told::default(),
            ways: Ways::default(),
            version: 0,
            waiting: None,
            own: None,
            up: false,
            is_fresh: false,
            hold_until: None,
            stood: false,
            verdicts,
            tell: Some(tell),
            _stop: stop_probes.clone().drop_guard(),
            stop_probes,
        }
    }

    async fn run(mut self, shutdown: &CancellationToken) -> Result<(), AgentError> {
        let ended = loop {
            let step = tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(()),
                () = self.kernel.broken.clone().cancelled_owned() => {
                    let why = "this node can't keep the kernel as it has to be: it ends";
                    break Err(AgentError::Node(why.into()));
                }
                step = self.step() => step,
            };
            match step {
                Ok(()) => {}
                // What stood once is tried for again: a network must not end with a bad hour of its
                // controller.
                Err(error) if self.stood || error.may_pass() => self.failing(&error),
                Err(error) => break Err(error),
            }
        };
        self.leave(ended.is_ok()).await;
        ended
    }

    /// Until something has happened. It may be dropped while it waits: nothing is taken then.
    async fn step(&mut self) -> Result<(), AgentError> {
        tokio::select! {
            answered = self.announcer.next() => match answered {
                Some(answered) => self.take(answered).await,
                // The announcer's task ends only with the runtime.
                None => std::future::pending().await,
            },
            Ok(()) = self.kernel.routes.changed() => {
                self.installed();
                Ok(())
            }
            Ok(()) = self.kernel.found.changed() => {
                self.lead(None);
                Ok(())
            }
            Some(verdict) = self.verdicts.recv() => self.observe(verdict),
            () = at(self.hold_until) => {
                self.hold_until = None;
                self.told.let_go();
                self.lead(None);
                Ok(())
            }
        }
    }

    async fn take(&mut self, answered: Answered) -> Result<(), AgentError> {
        match answered {
            Answered::Up { address, node, you_are, .. } => {
                self.begin(&address, node, you_are).await
            }
            Answered::Map { number, snapshot, change } => {
                let is_first = snapshot && std::mem::take(&mut self.is_fresh);
                self.told.take(snapshot, is_first, change);
                // Never put off by what comes later, or it might be for ever.
                let until = match self.hold_until.filter(|_| !is_first) {
                    Some(until) => until,
                    None => Instant::now() + if is_first { HOLD } else { BRIEFLY },
                };
                self.hold_until = self.told.holds().then_some(until);
                self.status.send_modify(|status| status.n_maps += 1);
                self.lead(Some(number));
                Ok(())
            }
            Answered::Ping { number } => {
                self.announcer.pong(number);
                Ok(())
            }
            Answered::Report { what, .. } => self.report(what).await,
            Answered::Lost { why, again_in } => self.lost(why, again_in),
        }
    }

    async fn begin(
        &mut self,
        seen: &str,
        node: Option<NodeUp>,
        name: String,
    ) -> Result<(), AgentError> {
        let Some(NodeUp { id, addresses }) = node else {
            let why = "the controller speaks with this key as something else than a node";
            return Err(AgentError::Node(why.into()));
        };
        let remote = self.membership.remote();
        let looked_up = timeout(LOOK_UP, addresses_of(&remote)).await.unwrap_or_default();
        if !looked_up.is_empty() {
            self.here.controller = looked_up;
        }
        self.here.id = Some(id);
        (self.up, self.is_fresh, self.waiting) = (true, true, None);
        self.status.send_modify(|status| {
            (status.id, status.last_error) = (Some(id), None);
            status.addresses.clone_from(&addresses);
            status.n_sessions += 1;
        });
        tracing::info!(node = id.0, name, ?addresses, "a session with {remote} has begun");
        let seen: Option<IpAddr> = seen.parse().ok();
        let at = self.config.addresses.iter().copied().chain(seen).map(|at| at.to_canonical());
        let at: Vec<IpAddr> = at.collect();
        if at.first().is_none_or(IpAddr::is_loopback) && !self.config.prefixes().is_empty() {
            tracing::warn!(
                "the controller sees this host at {seen:?}, where nobody else reaches it: say where \
                 others do (--address)"
            );
        }
        self.own = Some(id);
        self.say(id, &at)
    }

    /// Says what is advertised, and first of all that: what probes see is told of what is there.
    fn say(&mut self, id: NodeId, at: &[IpAddr]) -> Result<(), AgentError> {
        let update = said::update(id, &self.config.prefixes(), at)?;
        if let Err(refusal) = self.announcer.say(update) {
            return Err(self.refused(refusal));
        }
        if let Some(tell) = self.tell.take() {
            probe::start(self.config.probes.clone(), &tell, &self.stop_probes);
        }
        Ok(())
    }

    async fn report(&mut self, what: Result<SourceReport, Refusal>) -> Result<(), AgentError> {
        self.membership.keep_again().await;
        let report = what.map_err(|refusal| self.refused(refusal))?;
        self.stood = true;
        let http = self.membership.http();
        let prefixes = self.config.prefixes();
        let standings = said::standings(&prefixes, &report.outcomes, |why| http.shown(why));
        self.status.send_if_modified(|status| {
            let news = status.advertised != standings || status.phase != Phase::Registered;
            if status.advertised != standings {
                for (prefix, standing) in &standings {
                    tracing::info!("advertised {prefix}: {standing}");
                }
            }
            (status.phase, status.advertised) = (Phase::Registered, standings);
            news
        });
        Ok(())
    }

    fn lost(&mut self, why: LinkError, again_in: Duration) -> Result<(), AgentError> {
        // What is held stays so until the next session's map.
        (self.up, self.hold_until, self.waiting) = (false, None, None);
        let error = self.membership.said(why, advice);
        if error.refusal() == Some(RefusalCode::NotKnown) {
            // It comes in anew: by its token, or by a person's word.
            self.membership.forget();
        }
        tracing::debug!(?again_in, "no session");
        Err(error)
    }

    /// It doesn't stand as it should, and is tried again. Said once, however often it is tried.
    fn failing(&self, error: &AgentError) {
        let text = error.to_string();
        if self.status.borrow().last_error.as_ref() != Some(&text) {
            match error.refusal() {
                Some(RefusalCode::Pending) => {
                    tracing::info!("this node waits to be let in: {text}")
                }
                _ => tracing::warn!("this node isn't in the network as it should be: {text}"),
            }
        }
        self.status.send_modify(|status| {
            (status.phase, status.last_error) = (Phase::Retrying, Some(text));
        });
    }

    fn refused(&self, refusal: Refusal) -> AgentError {
        let (code, why) = (refusal.code.to_string(), refusal.why);
        let remote = self.membership.remote();
        self.membership.said(LinkError::Refused { remote, code, why }, advice)
    }

    /// Leads packets as the map says, as far as this host follows it. `number`: the map is new.
    fn lead(&mut self, number: Option<u64>) {
        let n_maps = self.status.borrow().n_maps;
        if !self.config.uses_routes() {
            if let Some(number) = number {
                self.applied(number, n_maps);
            }
            return;
        }
        let number = number.or(self.waiting.as_ref().map(|waiting| waiting.number));
        if n_maps == 0 || !self.kernel.is_known() {
            // Until both are known what a predecessor left stays.
            let waiting = number.map(|number| Waiting { version: u64::MAX, number, n_maps });
            self.waiting = waiting;
            return;
        }
        (self.here.connected, self.here.fixed) = self.kernel.own();
        let now = ways(&self.told, &self.here);
        self.tell_of(&now);
        self.version += 1;
        self.kernel.want(self.version, &now);
        let version = self.version;
        self.waiting = number.map(|number| Waiting { version, number, n_maps });
        self.ways = now;
    }

    fn tell_of(&self, now: &Ways) {
        let news = |(prefix, via): &(&Prefix, &IpAddr)| self.ways.routes.get(prefix) != Some(via);
        for (prefix, via) in now.routes.iter().filter(news) {
            tracing::debug!(%prefix, %via, "leads elsewhere");
        }
        for (prefix, why) in &now.passed_over {
            if self.ways.passed_over.get(prefix) != Some(why) {
                tracing::info!(%prefix, why, "a route isn't used");
            }
        }
    }

    /// The kernel has told how far it is.
    fn installed(&mut self) {
        let kernel = self.kernel.routes.borrow_and_update().clone();
        let Some(number) = kernel.number.filter(|_| kernel.failed.is_none()) else { return };
        if number < self.version {
            return;
        }
        let holds = self.hold_until.is_some();
        let mut passed_over: BTreeMap<Prefix, String> = self.ways.passed_over.clone();
        passed_over.extend(kernel.refused);
        let mut routes = self.ways.routes.clone();
        routes.retain(|prefix, _| !passed_over.contains_key(prefix));
        self.status.send_if_modified(|status| {
            let news = status.routes != routes || status.passed_over != passed_over;
            if status.routes.len() != routes.len() {
                let (n_routes, n_passed_over) = (routes.len(), passed_over.len());
                tracing::info!(n_routes, n_passed_over, "routes of others are in the kernel");
            }
            (status.routes, status.passed_over) = (routes, passed_over);
            news
        });
        // While something is held not all goes as the map says.
        let is_in_use = |waiting: &mut Waiting| waiting.version <= number && !holds;
        if let Some(Waiting { number, n_maps, .. }) = self.waiting.take_if(is_in_use) {
            self.applied(number, n_maps);
        }
    }

    /// The map of that number is in use.
    fn applied(&self, number: u64, n_maps: u64) {
        if self.up {
            self.announcer.applied(number);
        }
        self.status.send_modify(|status| status.n_applied = n_maps);
    }

    fn observe(&mut self, verdict: Verdict) -> Result<(), AgentError> {
        let Verdict { prefix, is } = verdict;
        let Some(id) = self.own else { return Ok(()) };
        match &is {
            Seen::Unhealthy { why, .. } => {
                tracing::warn!(%prefix, why, "can't be reached from here")
            }
            Seen::Healthy | Seen::Unknown => tracing::info!(%prefix, "can be reached from here"),
        }
        self.status.send_modify(|status| match &is {
            Seen::Unhealthy { why, .. } => drop(status.unhealthy.insert(prefix, why.clone())),
            Seen::Healthy | Seen::Unknown => drop(status.unhealthy.remove(&prefix)),
        });
        let observation = said::observation(id, prefix, is);
        match self.announcer.observe(&said::table()?, vec![observation]) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Says goodbye, goes on forwarding for a while, and takes what is its own out of the kernel. One
    /// that ends by an error leaves that to its successor.
    async fn leave(self, was_asked: bool) {
        self.status.send_modify(|status| status.phase = Phase::Withdrawing);
        let is_router = self.up && !self.config.prefixes().is_empty();
        if timeout(SHUTDOWN_GRACE / 2, self.announcer.goodbye()).await.is_err() {
            tracing::debug!("the link's end heard no goodbye");
        }
        if !was_asked {
            return;
        }
        if is_router {
            tokio::time::sleep(LINGER).await;
        }
        self.kernel.end().await;
    }
}

fn advice(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::NotKnown => {
            "this node was deleted or its key has expired: it asks to be let in again"
        }
        RefusalCode::Pending => "it goes on asking until somebody has said so",
        RefusalCode::Invalid => {
            "the controller doesn't take what is advertised; correct --advertise-routes"
        }
        code => link_refusal_advice(code),
    }
}

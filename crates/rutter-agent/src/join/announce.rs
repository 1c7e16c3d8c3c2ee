//! The session: says what services there are, hears how they stand, and says goodbye.
//!
//! ```text
//!  up ──▶ where is this host reached? ──▶ say all ──▶ reports ──▶ registered
//!              ▲                                         │
//!              └───────── each renewal, as it may move ──┘
//!  lost ──▶ the announcer dials again; what stands is stale until then
//!  shutdown ──▶ say nothing more, hear that it is withdrawn ──▶ goodbye
//! ```
//!
//! The announcer renews and comes back by itself. What is left to this loop is the address, which
//! may change while all else stays, and telling how it goes. A lost session is never a withdrawal:
//! only an end that was asked for withdraws.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_link::{Announcer, Answered, LinkError, Outcome, Refusal, RefusalCode, SourceReport};
use tokio::time::{Instant, timeout_at};

use super::map::{self, Said};
use crate::address::Addresses;
use crate::agent::{Registration, Run, SHUTDOWN_GRACE};
use crate::membership::{Membership, link_refusal_advice};
use crate::pacing::at;
use crate::{AgentError, RegisteredRoute, RouteSource, ServiceSpec};

/// How a session ended.
pub(super) enum End {
    /// It was asked to, and has withdrawn.
    Over,
    /// The controller doesn't know the key, and there is a join token that wasn't spent yet.
    Unknown,
}

/// This end as the controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// `None`: it says none that can be read.
    address: Option<IpAddr>,
    /// What our services lie under.
    domain: String,
}

/// A session that comes back whenever it is lost.
pub(super) struct Session<'a> {
    membership: Arc<Membership>,
    announcer: Announcer,
    services: &'a [ServiceSpec],
    addresses: Addresses,
    has_fresh_token: bool,
    run: &'a Run<'a>,
    /// `None` while there is no session.
    seen: Option<Seen>,
    said: BTreeMap<RouteSource, Vec<Said>>,
    /// What was told of what was said last; a source isn't in here until it was.
    told: BTreeMap<RouteSource, Vec<RegisteredRoute>>,
    /// Who was heard of since all of them were.
    heard: BTreeSet<RouteSource>,
    /// When to look for the address again.
    look: Option<Instant>,
    /// All is said again then, also if it is the same: what was refused may be taken.
    repeat: bool,
}

impl<'a> Session<'a> {
    pub(super) fn start(
        membership: Arc<Membership>,
        services: &'a [ServiceSpec],
        addresses: Addresses,
        has_fresh_token: bool,
        run: &'a Run<'a>,
    ) -> Self {
        let announcer = Announcer::start(membership.clone(), run.pacing.backoff);
        Self {
            membership,
            announcer,
            services,
            addresses,
            has_fresh_token,
            run,
            seen: None,
            said: BTreeMap::new(),
            told: BTreeMap::new(),
            heard: BTreeSet::new(),
            look: None,
            repeat: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<End, AgentError> {
        let shutdown = self.run.shutdown.clone();
        let ended = loop {
            let step = tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(End::Over),
                step = self.step() => step,
            };
            match step {
                Ok(None) => {}
                Ok(Some(end)) => break Ok(end),
                Err(error) if self.run.is_final(&error) => {
                    self.run.status.send_modify(|s| s.last_error = Some(error.to_string()));
                    break Err(error);
                }
                Err(error) => {
                    self.look = Some(Instant::now() + self.run.failed(&error));
                    self.repeat = true;
                }
            }
        };
        let withdraws = match ended {
            Ok(End::Over) => true,
            Ok(End::Unknown) => false,
            // One source's services were refused; another's may stand.
            Err(_) => !self.told.is_empty(),
        };
        self.leave(Instant::now() + SHUTDOWN_GRACE, withdraws).await;
        ended
    }

    /// Until something has happened. It may be dropped at any await: what was heard before was
    /// taken in, and an address that wasn't found is looked for again.
    async fn step(&mut self) -> Result<Option<End>, AgentError> {
        tokio::select! {
            answered = self.announcer.next() => match answered {
                Some(answered) => return self.take(answered),
                // The announcer's task ends only with the runtime.
                None => std::future::pending().await,
            },
            () = at(self.look) => {}
        }
        self.membership.keep_again().await;
        self.say().await?;
        Ok(None)
    }

    fn take(&mut self, answered: Answered) -> Result<Option<End>, AgentError> {
        match answered {
            Answered::Up { address, domain, .. } => {
                self.seen = Some(Seen { address: address.parse().ok(), domain });
                self.look = Some(Instant::now());
                Ok(None)
            }
            Answered::Report { source, what, .. } => self.report(&source, what).map(|()| None),
            Answered::Lost { why, again_in } => self.lost(why, again_in),
            // Said to nodes.
            Answered::Map { .. } | Answered::Ping { .. } => Ok(None),
        }
    }

    fn lost(&mut self, why: LinkError, again_in: Duration) -> Result<Option<End>, AgentError> {
        (self.seen, self.look) = (None, None);
        self.heard.clear();
        let error = self.membership.said(why, link_refusal_advice);
        if self.has_fresh_token && error.refusal() == Some(RefusalCode::NotKnown) {
            return Ok(Some(End::Unknown));
        }
        if self.run.is_final(&error) {
            return Err(error);
        }
        self.run.failing(&error, again_in);
        Ok(None)
    }

    fn report(
        &mut self,
        source: &str,
        what: Result<SourceReport, Refusal>,
    ) -> Result<(), AgentError> {
        let Some(source) = self.source(source) else { return Ok(()) };
        let report = what.map_err(|refusal| self.refused(refusal))?;
        // One of what was said before may still be on its way.
        let said = self.said.get(&source).filter(|said| map::is_about(&report.outcomes, said));
        let Some(said) = said else { return Ok(()) };
        let http = self.membership.http();
        self.told.insert(source, map::registered(said, &report.outcomes, |why| http.shown(why)));
        for outcome in report.outcomes.iter().filter(|outcome| outcome.destination.is_none()) {
            let Outcome { is: Err(why), .. } = outcome else { continue };
            tracing::warn!("the controller doesn't understand a route: {}", http.shown(why));
        }
        self.heard.insert(source);
        if self.heard.len() < self.said.len() {
            return Ok(());
        }
        self.heard.clear();
        let routes = self.told.values().flatten().cloned().collect();
        let renew = report.renew_within().unwrap_or(self.run.pacing.renew_most);
        let wait = self.run.succeeded(Registration { routes, renew });
        // The announcer's renewals go their own way: they must not put the look off for ever.
        self.look.get_or_insert(Instant::now() + wait);
        Ok(())
    }

    fn source(&self, text: &str) -> Option<RouteSource> {
        self.services.iter().map(|spec| spec.source).find(|source| source.as_str() == text)
    }

    fn refused(&self, refusal: Refusal) -> AgentError {
        let remote = self.membership.remote();
        let (code, why) = (refusal.code.to_string(), refusal.why);
        self.membership.said(LinkError::Refused { remote, code, why }, |code| match code {
            RefusalCode::Invalid => {
                "the controller doesn't take a service as it is given; correct --service"
            }
            RefusalCode::NotAllowed => {
                "policy doesn't let this agent register that; ask who runs the controller"
            }
            code => link_refusal_advice(code),
        })
    }

    /// Finds where this host is reached, and says what has changed by it.
    async fn say(&mut self) -> Result<(), AgentError> {
        self.look = None;
        let Some(Seen { address, domain }) = self.seen.clone() else { return Ok(()) };
        let loopback = address.is_some_and(|address| address.is_loopback());
        let host = self.addresses.find(loopback, address).await?;
        let sources: BTreeSet<_> = self.services.iter().map(|spec| spec.source).collect();
        for source in sources {
            let said = map::said(source, self.services, host.as_ref(), &domain)?;
            if !self.repeat && self.said.get(&source) == Some(&said) {
                continue;
            }
            self.hand_over(source, &said)?;
            self.said.insert(source, said);
            self.heard.clear();
        }
        self.repeat = false;
        Ok(())
    }

    fn hand_over(&self, source: RouteSource, said: &[Said]) -> Result<(), AgentError> {
        let said = self.announcer.say(map::update(source, said)?);
        said.map_err(|refusal| self.refused(refusal))
    }

    /// Ends the session, and before it, if asked to, what was said; within a time.
    async fn leave(mut self, until: Instant, withdraws: bool) {
        if withdraws {
            self.run.withdrawing();
            match timeout_at(until, self.withdrawn()).await {
                Ok(true) => {
                    let n_routes = self.told.values().map(Vec::len).sum::<usize>();
                    tracing::info!(n_routes, "withdrawn");
                    self.run.status.send_modify(|s| s.routes.clear());
                }
                Ok(false) => {
                    tracing::warn!("not withdrawn, no link; the routes end with their lease");
                }
                Err(_) => tracing::warn!("not withdrawn in time; the routes end with their lease"),
            }
        }
        if timeout_at(until, self.announcer.goodbye()).await.is_err() {
            tracing::debug!("the link's end heard no goodbye");
        }
    }

    /// Withdraws all that was said, and hears of it; whether there was a session to say it in.
    async fn withdrawn(&mut self) -> bool {
        let mut waiting: BTreeSet<_> = self.said.keys().copied().collect();
        if waiting.is_empty() {
            return true;
        }
        for source in &waiting {
            if let Err(error) = self.hand_over(*source, &[]) {
                tracing::warn!(%error, "a withdrawal");
            }
        }
        let mut up = self.seen.is_some();
        while up && !waiting.is_empty() {
            match self.announcer.next().await {
                // Of what was said before, a report may still be on its way; it tells of routes.
                Some(Answered::Report { source, what: Ok(report), .. })
                    if report.outcomes.is_empty() =>
                {
                    waiting.retain(|waits| waits.as_str() != source);
                }
                Some(Answered::Lost { .. }) | None => up = false,
                Some(_) => {}
            }
        }
        up
    }
}

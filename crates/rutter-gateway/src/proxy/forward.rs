//! A request route by route, until one answers or the rules of [`crate::failover`] end it.

use std::sync::Arc;

use super::answer;
use super::headers::Head;
use super::pages::{self, Page};
use super::plan::Plan;
use super::{Settings, Worker};
use crate::access::{Tally, Tried as Names};
use crate::balance::{Asker, UnderWay};
use crate::clock;
use crate::clusters::refusal;
use crate::clusters::via::{RUTTER_VIA, Via};
use crate::clusters::{GIVEN_UP, Way};
use crate::failover::replay::{Fault, Replay, RequestBody};
use crate::failover::{BodyLeft, Next, Refused, Tried, judge, may_be_cut};
use crate::files;
use crate::health::Failure;
use crate::route_context::RouteContext;
use crate::routes::{Hop, Route, Routes};
use crate::upstream::body::{AnswerBody, Held};
use crate::upstream::{Begun, Busy, Connection, Patience, Silence, Slot, Target, TryError};
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use rutter_route::{ClusterId, Folder};
use smallvec::SmallVec;
use tokio::time::Instant;

/// A request on its way.
pub(super) struct Forward<'a> {
    pub(super) worker: &'a Arc<Worker>,
    pub(super) settings: &'a Settings,
    pub(super) routes: &'a Routes,
    /// The host that was asked for, normalised.
    pub(super) host: &'a str,
    /// For whom a route is chosen.
    pub(super) asker: Asker,
    pub(super) head: Head,
    pub(super) body: Option<Replay>,
    /// Whether the client asked for another protocol: only then may an answer be 101.
    pub(super) upgrade: bool,
    /// The words for the sources of the routes tried.
    pub(super) tried: Names,
    /// How far it has come.
    pub(super) progress: Progress<'a>,
    /// What the log will tell of it, if there is one.
    pub(super) tally: Option<Arc<Tally>>,
    /// The clusters that it came through.
    pub(super) via: Via,
}

/// How far a request has come.
#[derive(Debug, Default)]
pub(super) struct Progress<'a> {
    /// Whether bytes of it were sent to any route: from then on another route costs a token.
    sent: bool,
    /// Why it couldn't be asked for in another cluster, where nobody else answered.
    no_way: Option<Page>,
    /// The clusters whose ways were tried: the routes of several neighbours may lead to one.
    clusters: SmallVec<[ClusterId; 2]>,
    /// The route that has it now.
    context: RouteContext<'a>,
    /// That route's count of what it has to do, and in the end that of the route that answered.
    pub(super) under_way: Option<UnderWay>,
}

/// An answer, and where it came from.
pub(super) enum Answer {
    /// A server's, with the connection that it came by.
    Upstream { response: Response<Begun>, held: Held },
    /// The gateway's own, from a folder.
    Files { response: Response<AnswerBody>, route: Arc<Route> },
}

impl Answer {
    /// The route that answered.
    pub(super) fn route(&self) -> &Arc<Route> {
        match self {
            Self::Upstream { held, .. } => &held.route,
            Self::Files { route, .. } => route,
        }
    }
}

/// How a request goes to a neighbour.
struct ByWay<'w> {
    way: &'w Way,
    /// Whether there is a further one.
    has_another: bool,
    /// What the neighbour is told of where it was.
    via: HeaderValue,
}

/// Why a route gave no answer.
enum Stopped {
    NextRoute,
    Answer(Page),
}

impl<'a> Forward<'a> {
    /// Tries the routes, within the request's time; the error is the answer when none gave one.
    pub(super) async fn run(&mut self) -> Result<Answer, Page> {
        let shared = &self.worker.shared;
        shared.retries.request(self.worker.number, clock::now());
        let limit = self.settings.timeout;
        if limit.is_zero() {
            return self.try_routes().await;
        }
        if let Ok(answer) = tokio::time::timeout(limit, self.try_routes()).await {
            return answer;
        }
        // What was under way ended with the future: the connection is closed.
        shared.metrics.request_timeouts.add(1);
        if let Some(route) = self.progress.context.route() {
            tracing::debug!(route = %route.id, "the request's time is over");
            shared.health.failed(&route.health, Failure::Exchange);
        }
        Err(pages::BACKEND_TIMEOUT)
    }

    async fn try_routes(&mut self) -> Result<Answer, Page> {
        let shared = &self.worker.shared;
        let mut plan = Plan::new(self.routes, self.asker, self.settings.max_tries);
        while let Some(route) = plan.next(&shared.health).await {
            if !self.tried.is_empty() {
                self.may_go_on()?;
            }
            self.tried.push(route.label.clone());
            self.progress.context = RouteContext::by(route);
            self.progress.under_way = UnderWay::of(route);
            let tried = self.try_route(route, &plan).await;
            self.progress.context = RouteContext::default();
            match tried {
                Ok(answer) => return Ok(answer),
                Err(Stopped::NextRoute) => {}
                Err(Stopped::Answer(page)) => return Err(page),
            }
        }
        shared.metrics.routes_exhausted.add(1);
        if let Some(page) = self.progress.no_way.filter(|_| !self.progress.sent) {
            return Err(page);
        }
        // Nobody has the request, so whoever sends it again does no harm.
        let is_group = self.routes.balancer.is_some() && !self.progress.sent;
        Err(if is_group { pages::NO_MEMBER } else { pages::ROUTES_EXHAUSTED })
    }

    /// Counts a request that goes on to another route; the error: there is no budget for that.
    fn may_go_on(&self) -> Result<(), Page> {
        let shared = &self.worker.shared;
        if self.progress.sent {
            if !shared.retries.retry(clock::now(), self.settings.retry_budget) {
                shared.metrics.retry_budget_exhausted.add(1);
                return Err(pages::RETRY_BUDGET);
            }
            shared.metrics.retries.add(1);
        }
        shared.metrics.failovers.add(1);
        Ok(())
    }

    /// Tries one route.
    async fn try_route(&mut self, route: &Arc<Route>, plan: &Plan<'_>) -> Result<Answer, Stopped> {
        let endpoint = match &route.hop {
            Hop::Endpoint(endpoint) => endpoint,
            Hop::Files(folder) => return self.serve_file(route, folder).await,
            Hop::Cluster(cluster) => return Box::pin(self.try_ways(route, cluster, plan)).await,
            Hop::Hole => {
                tracing::debug!(route = %route.id, "the place of a route that is refused");
                return Err(Stopped::Answer(pages::KEPT_PLACE));
            }
        };
        let target = Target::new(endpoint, self.host, &self.routes.service.name);
        let mut target = target.delivered_by(&route.delivery);
        if self.upgrade {
            target = target.for_upgrade().ok_or(Stopped::Answer(pages::NO_UPGRADE))?;
        }
        self.try_target(route, target, None, plan).await
    }

    /// Tries the ways to another cluster, each as a route of its own. What a way that fails costs
    /// is the fabric's to see, and nothing that the route is blamed for.
    async fn try_ways(
        &mut self,
        route: &Arc<Route>,
        cluster: &ClusterId,
        plan: &Plan<'_>,
    ) -> Result<Answer, Stopped> {
        if self.progress.clusters.contains(cluster) {
            return Err(Stopped::NextRoute);
        }
        self.progress.clusters.push(cluster.clone());
        let Some(clusters) = &self.worker.shared.clusters else {
            self.progress.no_way = Some(pages::NO_WAY);
            return Err(Stopped::NextRoute);
        };
        let via = match self.via.onward(clusters.own()) {
            Ok(via) => via,
            Err(page) => {
                self.progress.no_way = Some(page);
                return Err(Stopped::NextRoute);
            }
        };
        let mut ways = clusters.ways(cluster, &self.via.visited);
        ways.truncate(self.settings.max_tries);
        if ways.is_empty() {
            tracing::debug!(route = %route.id, via = ?self.via.visited, "no way leads to its cluster");
            self.progress.no_way = Some(pages::NO_WAY);
        }
        for (n, way) in ways.iter().enumerate() {
            if n > 0 {
                self.may_go_on().map_err(Stopped::Answer)?;
            }
            let mut target = Target::neighbour(way);
            if self.upgrade {
                target = target.for_upgrade().ok_or(Stopped::Answer(pages::NO_UPGRADE))?;
            }
            let by = ByWay { way, has_another: n + 1 < ways.len(), via: via.clone() };
            match self.try_target(route, target, Some(&by), plan).await {
                Err(Stopped::NextRoute) => {}
                ended => return ended,
            }
        }
        Err(Stopped::NextRoute)
    }

    /// Sends the request to a target, twice if the first connection was a stale one.
    async fn try_target(
        &mut self,
        route: &Arc<Route>,
        target: Target,
        by: Option<&ByWay<'_>>,
        plan: &Plan<'_>,
    ) -> Result<Answer, Stopped> {
        let shared = &self.worker.shared;
        let mut slot = match target.is_limited() {
            true => Box::pin(self.slot(route, &target, plan)).await?,
            false => None,
        };
        let options = &route.delivery.upstream;
        let mut pooled = self.pooled(&target).await;
        loop {
            let mut connection = match pooled.take() {
                Some(connection) => {
                    shared.metrics.upstream_reuses.add(1);
                    connection
                }
                None => self.connect(route, &target, by).await?,
            };
            connection.holds(slot.take());
            let converses = connection.speaks_both_ways().then_some(self.body.as_ref()).flatten();
            if let Some(body) = converses.filter(|_| self.head.is_grpc()) {
                body.may_rest();
            }
            let request = self.request(route, &connection, by);
            let patience = Patience {
                response: options.response_header_timeout.unwrap_or(self.settings.response_timeout),
                one_try: by.map_or(self.settings.try_timeout, |_| GIVEN_UP),
            };
            if let Some(tally) = &self.tally {
                tally.sending(connection.meter());
            }
            let began = Instant::now();
            let may_move = || self.may_move(plan, by, began);
            let error = match connection.send_within(request, patience, may_move).await {
                Ok(response) => {
                    if let Some(body) = converses {
                        body.may_rest();
                    }
                    self.note_sent(true);
                    let mut response = response.map(Begun::new);
                    if by.is_some() && !self.is_taken(&mut response).await {
                        return Err(Stopped::NextRoute);
                    }
                    return self.answered(route, target, connection, response);
                }
                Err(error) => error,
            };
            self.note_sent(error.sent);
            self.progress.sent |= error.sent;
            // Whether what else is open to a lost neighbour works again when that is back, only TCP's
            // timers would tell, and late.
            if error.reused || by.is_some() && error.silent.is_some() {
                self.worker.home.pool(&target).forget(&target);
            }
            self.failed(route, &error)?;
            slot = connection.give_slot_back();
            shared.metrics.stale_retries.add(1);
        }
    }

    /// Answers from a folder; one that isn't there is a route that fails.
    async fn serve_file(&self, route: &Arc<Route>, folder: &Folder) -> Result<Answer, Stopped> {
        let options = &route.delivery.files;
        let target = self.head.target(route.delivery.strips_prefix);
        let home = &self.worker.home;
        match Box::pin(files::serve(folder, options, &self.head, target, &home.reads)).await {
            Ok(response) => Ok(Answer::Files { response, route: route.clone() }),
            Err(error) => {
                tracing::debug!(route = %route.id, %error, "no files are served by the route");
                Err(Stopped::NextRoute)
            }
        }
    }

    fn note_sent(&self, sent: bool) {
        if let Some(tally) = &self.tally {
            tally.sent(sent);
        }
    }

    /// Whether a route that is silent may be given up for another: a neighbour as soon as the fabric
    /// has lost it, or as late as any.
    fn may_move(&self, plan: &Plan<'_>, by: Option<&ByWay<'_>>, began: Instant) -> bool {
        let shared = &self.worker.shared;
        if let Some(by) = by {
            let limit = self.settings.try_timeout;
            let is_late = !limit.is_zero() && began.elapsed() >= limit;
            if !is_late && !self.is_lost(by.way) {
                return false;
            }
        }
        // A neighbour that sent it here may know of a way that doesn't lead through this cluster.
        let is_neighbours = by.is_some() && !self.via.visited.is_empty();
        let has_another = by.is_some_and(|by| by.has_another) || is_neighbours;
        may_be_cut(&self.head.method, self.left())
            && (has_another || plan.has_another(&shared.health))
            && shared.retries.has_room(clock::now(), self.settings.retry_budget)
    }

    /// Whether the fabric has lost a neighbour.
    fn is_lost(&self, way: &Way) -> bool {
        let clusters = self.worker.shared.clusters.as_ref();
        clusters.is_some_and(|clusters| !clusters.is_connected(&way.neighbour))
    }

    /// Whether a neighbour's answer is the client's; if not, the request may go another way.
    async fn is_taken(&mut self, response: &mut Response<Begun>) -> bool {
        if self.is_refused(response) {
            return false;
        }
        if !may_be_cut(&self.head.method, self.left()) {
            return true;
        }
        // In a box, as only neighbours' answers are waited for.
        let Err(error) = Box::pin(response.body_mut().wait()).await else { return true };
        tracing::debug!(%error, "a neighbour's answer broke off before anything of it was passed on");
        self.progress.sent = true;
        false
    }

    /// Whether a neighbour's answer is its gateway's own, and the request may go another way.
    fn is_refused(&mut self, response: &Response<Begun>) -> bool {
        let Some(refusal) = refusal::of(response.headers()) else { return false };
        let tried =
            Tried { sent: refusal.may_be_done, answered: false, silent: None, reused: false };
        let goes_on = judge(&self.head.method, self.left(), tried) == Next::Another;
        if goes_on {
            tracing::debug!(?refusal, "a neighbour has no answer");
            self.progress.sent |= refusal.may_be_done;
            self.progress.no_way = Some(refusal.page);
        }
        goes_on
    }

    /// A connection from the pool, made with what holds now; for a request that can't be repeated
    /// once sent, one that was looked at.
    async fn pooled(&self, target: &Target) -> Option<Connection> {
        let pool = self.worker.home.pool(target);
        let connection = pool.take(target)?;
        let may_be_stale = self.body.is_none() && self.head.method.is_idempotent();
        let connector = &self.worker.shared.connector;
        if (may_be_stale || connection.is_still_open().await)
            && connector.is_current(target, &connection).await
        {
            return Some(connection);
        }
        pool.forget(target);
        None
    }

    /// One of the upstream's connections, where the route bounds them; another route is tried
    /// before a client is told to come later.
    async fn slot(
        &self,
        route: &Route,
        target: &Target,
        plan: &Plan<'_>,
    ) -> Result<Option<Slot>, Stopped> {
        let shared = &self.worker.shared;
        shared.connector.slot(target).await.map_err(|Busy| {
            tracing::debug!(route = %route.id, "all connections that the route may have are in use");
            shared.metrics.upstream_busy.add(1);
            match plan.has_another(&shared.health) {
                true => Stopped::NextRoute,
                false => Stopped::Answer(pages::BACKEND_BUSY),
            }
        })
    }

    async fn connect(
        &self,
        route: &Route,
        target: &Target,
        by: Option<&ByWay<'_>>,
    ) -> Result<Connection, Stopped> {
        let shared = &self.worker.shared;
        // In a box, as all that few requests wait for: what is moved with every request stays small.
        let connect = Box::pin(shared.connector.connect(target));
        let connected = match by {
            None => connect.await,
            Some(by) => {
                tokio::select! {
                    connected = connect => connected,
                    () = self.lost(by.way) => {
                        tracing::debug!(neighbour = %by.way.neighbour, "lost while it was dialled");
                        return Err(Stopped::NextRoute);
                    }
                }
            }
        };
        match connected {
            Ok(connection) => {
                shared.metrics.upstream_connects.add(1);
                self.worker.home.pool(target).share(target, &connection);
                Ok(connection)
            }
            Err(error) => {
                tracing::debug!(route = %route.id, %error, "no connection to the route");
                shared.metrics.upstream_connect_failures.add(1);
                if by.is_none() {
                    shared.health.failed(&route.health, error.failure());
                }
                // The body is as it was: it is read only for a connection that exists, and who
                // comes here after a failed try was let on by `judge`.
                Err(Stopped::NextRoute)
            }
        }
    }

    /// Waits until the fabric has lost a neighbour that it hadn't. One that it never had is dialled
    /// all the same: it may be there for us.
    async fn lost(&self, way: &Way) {
        if self.is_lost(way) {
            return std::future::pending().await;
        }
        while !self.is_lost(way) {
            tokio::time::sleep(GIVEN_UP / 4).await;
        }
    }

    fn request(
        &self,
        route: &Route,
        connection: &Connection,
        by: Option<&ByWay<'_>>,
    ) -> Request<RequestBody> {
        let body = match &self.body {
            None => RequestBody::Empty,
            Some(replay) => {
                // HTTP/2 may say in the end that nothing was done: then any request can go on.
                let records = self.head.method.is_idempotent() || connection.speaks_both_ways();
                replay.body(connection.meter(), records)
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = self.head.headers.clone();
        if let Some(by) = by {
            request.headers_mut().insert(RUTTER_VIA, by.via.clone());
        }
        if route.delivery.strips_prefix {
            self.head.strip(&mut request);
        }
        if route.delivery.upstream.no_compression {
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        request
    }

    fn answered(
        &self,
        route: &Arc<Route>,
        target: Target,
        connection: Connection,
        mut response: Response<Begun>,
    ) -> Result<Answer, Stopped> {
        let health = &self.worker.shared.health;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !self.upgrade {
            tracing::debug!(route = %route.id, "an answer of 101 to a request without Upgrade");
            health.failed(&route.health, Failure::Exchange);
            return Err(Stopped::Answer(pages::BACKEND_FAILED));
        }
        if let Err(error) = answer::check(response.headers_mut()) {
            tracing::debug!(route = %route.id, %error, "an answer isn't passed on");
            health.failed(&route.health, Failure::Exchange);
            return Err(Stopped::Answer(pages::BACKEND_INVALID));
        }
        health.answered(&route.health, response.status());
        let held =
            Held { connection, target, route: route.clone(), home: self.worker.home.clone() };
        Ok(Answer::Upstream { response, held })
    }

    /// `Ok`: the same route once more, over a new connection.
    fn failed(&self, route: &Route, error: &TryError) -> Result<(), Stopped> {
        let shared = &self.worker.shared;
        if let Some(fault) = self.body.as_ref().and_then(Replay::fault) {
            return Err(Stopped::Answer(match fault {
                Fault::Broken => pages::BODY_INCOMPLETE,
                Fault::TooSlow => pages::BODY_TOO_SLOW,
                Fault::TooLarge => pages::BODY_TOO_LARGE,
            }));
        }
        tracing::debug!(route = %route.id, %error, "the route failed a request");
        if error.silent == Some(Silence::Try) {
            shared.metrics.try_timeouts.add(1);
        }
        let is_blamed = !matches!(route.hop, Hop::Cluster(_));
        if is_blamed && (!error.reused || error.silent.is_some()) {
            shared.health.failed(&route.health, Failure::Exchange);
        }
        match judge(&self.head.method, self.left(), error.into()) {
            Next::SameAnew => Ok(()),
            Next::Another => Err(Stopped::NextRoute),
            Next::GiveUp(why) => {
                shared.metrics.retries_refused.add(1);
                tracing::debug!(route = %route.id, ?why, "the request is not sent again");
                Err(Stopped::Answer(match why {
                    Refused::TimedOut => pages::BACKEND_TIMEOUT,
                    _ => pages::BACKEND_FAILED,
                }))
            }
        }
    }

    fn left(&self) -> BodyLeft {
        self.body.as_ref().map_or(BodyLeft::Kept, Replay::left)
    }
}

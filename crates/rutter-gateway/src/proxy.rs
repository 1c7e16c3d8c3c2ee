//! One request through the gateway.
//!
//! ```text
//! client ─▶ hyper ─▶ admit ─▶ index ─▶ forward: route by route ─▶ answer ─▶ client
//!                    │ 400…   │ 404    │ 502, 503, 504
//! ```
//!
//! Framing. hyper parses requests strictly (httparse; no obs-fold, no bare CR, one number for the
//! length) and writes every request and answer anew from what it parsed, so what reaches an origin
//! never has two readings. On top of it, [`admit`] refuses what could have two meanings. One case
//! is normalised instead of refused: `Content-Length` beside `Transfer-Encoding: chunked`. hyper
//! follows RFC 9112 6.3 there: the length is dropped, the body is read as chunks, and the
//! connection closes after the answer; the origin sees chunks alone. Refusing it is permitted too, and
//! was looked into: hyper drops the length while it parses, and leaves no trace of it that the
//! service could see. So it would take a second parser in front of hyper, and two parsers that may
//! disagree are the disease itself. `tests/hostile` shows what origins get, in any order of the two.

mod address;
pub(crate) mod admit;
mod answer;
pub(crate) mod entry;
mod forward;
pub(crate) mod headers;
mod http2;
mod leads;
pub(crate) mod miss;
mod outbound;
pub(crate) mod pages;
pub(crate) mod plan;
pub(crate) mod redirect;
mod settings;
pub(crate) mod short_links;
#[cfg(test)]
mod tests;
mod websocket;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use http::header::{CONNECTION, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use rutter_link::PeerKey;
use rutter_route::ClusterId;
use smol_str::SmolStr;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{AccessLog, Tried};
use crate::acme::Served;
use crate::balance;
use crate::clusters::Clusters;
use crate::clusters::via::{RUTTER_VIA, Via};
use crate::failover::budget::RetryBudget;
use crate::failover::replay::Replay;
use crate::health::Health;
use crate::index::HostIndex;
use crate::metrics::GatewayMetrics;
use crate::mtls::Shown;
use crate::places::{ConnectedAt, Places};
use crate::routes::{Hop, Routes};
use crate::server::Busy;
use crate::slow::body::{ClientBody, says_too_much};
use crate::streams::Streams;
use crate::upstream::body::{AnswerBody, Home, UpstreamBody};
use crate::upstream::{Connector, Pool};

use entry::Entry;
use outbound::Outbound;
pub(crate) use settings::{Copied, Settings};

/// Asks for [`X_MESH_ROUTE`] (Mesh Router's).
const X_MESH_TRACE: HeaderName = HeaderName::from_static("x-mesh-trace");
/// Which routes were tried.
const X_MESH_ROUTE: HeaderName = HeaderName::from_static("x-mesh-route");

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) index: Arc<HostIndex>,
    /// Whom to ask for a host that the index doesn't know; unset: nobody.
    pub(crate) on_miss: Arc<OnceLock<miss::OnMiss>>,
    /// Services that are asked for elsewhere than at the gateway's listeners.
    pub(crate) places: Arc<Places>,
    /// `None`: there are none.
    pub(crate) short_links: Option<Arc<short_links::ShortLinks>>,
    /// The way of requests whose host leads nowhere.
    pub(crate) default_routes: Option<Arc<Routes>>,
    /// Whether the controller has told all that it knows: before, a name that isn't known may be
    /// one that wasn't heard of yet.
    pub(crate) told: Arc<AtomicBool>,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) connector: Connector,
    /// Idle connections to upstreams that bound how many there may be.
    pub(crate) common: Arc<Pool>,
    pub(crate) health: Health,
    pub(crate) retries: RetryBudget,
    pub(crate) metrics: Arc<GatewayMetrics>,
    /// Answers to open ACME challenges.
    pub(crate) acme: Arc<Served>,
    /// `None`: none is kept.
    pub(crate) access: Option<AccessLog>,
    /// The gateway's name in `Via`, like no other's.
    pub(crate) via: headers::Via,
    /// The ways to other clusters; `None`: none are reached.
    pub(crate) clusters: Option<Arc<dyn Clusters>>,
    /// What is passed on as it is.
    pub(crate) streams: Arc<Streams>,
    /// Whether there are profiles of client certificates.
    pub(crate) has_profiles: AtomicBool,
    /// Whether it is about to end.
    pub(crate) drain: crate::server::Drain,
    /// Ends tunnels, which would otherwise outlive the gateway.
    pub(crate) stop: CancellationToken,
}

/// What one worker has of its own.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Which of the workers, from 0.
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) home: Arc<Home>,
    pub(crate) ids: RequestIds,
    pub(crate) settings: Copied,
    /// Connections and tunnels, waited for at shutdown.
    pub(crate) tasks: TaskTracker,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    /// Where it is connected to.
    pub(crate) at: ConnectedAt,
    pub(crate) tls: bool,
    /// Such as `TLSv1.3`.
    pub(crate) tls_version: Option<&'static str>,
    /// The name in the TLS handshake (SNI), where a log is kept; shared by the connection's requests.
    pub(crate) tls_server_name: Option<Arc<str>>,
    /// The port of HTTPS to which a plain listener sends everybody.
    pub(crate) redirect: Option<u16>,
    /// The certificate that it has shown, for whom.
    pub(crate) shown: Option<Arc<Shown>>,
    /// The neighbour that it has proven to be, and by which key; only at their listener.
    pub(crate) neighbour: Option<Arc<(ClusterId, PeerKey)>>,
}

/// Answers one request. It never fails: what goes wrong is an answer too.
pub(crate) async fn handle(
    worker: Arc<Worker>,
    client: Client,
    request: Request<Incoming>,
    busy: Busy,
) -> Result<Response<Outbound>, Infallible> {
    let settings = worker.settings.now(&worker.shared.settings);
    let trusted = settings.trusts(client.peer);
    let about = About::new(&worker, &request, trusted);
    let peer = client.peer.ip();
    let address = address::of_client(peer, request.headers(), &settings.trusted_proxies);
    let mut entry = Entry::new(&worker, &client, address, &about, &request);
    let asker = Asker { client: &client, address, trusted };
    let outcome = answer(&worker, &settings, asker, &about, request, &busy, &mut entry).await;
    let error = outcome.answer.as_ref().err().map(|page| page.code);
    let mut response = match outcome.answer {
        Ok(response) => response,
        Err(page) => {
            let mut answer = page.answer(about.accept.as_ref());
            if page.closes() && about.version < Version::HTTP_2 {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    };
    let headers = response.headers_mut();
    if about.trace {
        headers.insert(X_MESH_ROUTE, trace_value(&outcome.tried, outcome.served));
    }
    headers.insert(headers::X_REQUEST_ID, about.id.clone());
    if let Some(hsts) = settings.hsts.as_ref().filter(|_| client.tls) {
        // A service may say it for itself.
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
    worker.shared.metrics.count_answer(response.status());
    if let Some(entry) = &mut entry {
        entry.answered(response.status(), error);
    }
    let bodiless = about.method == Method::HEAD;
    let under_way = outcome.under_way;
    Ok(response.map(|body| Outbound::new(body, bodiless, entry, busy, under_way)))
}

/// Who asks, and how far that is believed.
#[derive(Clone, Copy)]
struct Asker<'a> {
    client: &'a Client,
    /// The client's address, behind trusted proxies.
    address: IpAddr,
    /// Whether the one who connected is a trusted proxy.
    trusted: bool,
}

/// What came of a request.
struct Outcome {
    answer: Result<Response<AnswerBody>, pages::Page>,
    /// The words for the sources of the routes tried, in order.
    tried: Tried,
    /// Whether the last of them answered.
    served: bool,
    /// That one's count of what it has to do.
    under_way: Option<balance::UnderWay>,
}

/// Takes from a request which clusters it came through, which nobody but a neighbour says. One who
/// was a neighbour when its connection began, and is none any more, is refused.
fn came_through(
    shared: &Shared,
    client: &Client,
    request: &mut Request<Incoming>,
) -> Result<Via, pages::Page> {
    let Some(clusters) = &shared.clusters else {
        request.headers_mut().remove(RUTTER_VIA);
        return Ok(Via::default());
    };
    let neighbour = client.neighbour.as_deref();
    if neighbour.is_some_and(|(name, key)| clusters.neighbour_of(key).as_ref() != Some(name)) {
        return Err(pages::NOT_NEIGHBOUR);
    }
    Via::take(request.headers_mut(), neighbour.map(|(name, _)| name), clusters.own())
}

/// The answer to a CA that looks for an open challenge: before everything that a host leads to, the
/// redirect to HTTPS included, which a first certificate is yet to make possible.
fn challenged(
    worker: &Worker,
    asker: Asker<'_>,
    request: &Request<Incoming>,
    asked: &admit::Asked,
) -> Option<Response<AnswerBody>> {
    if asker.client.tls {
        return None;
    }
    worker.shared.acme.answer(request.method(), asked.target.path())
}

async fn answer(
    worker: &Arc<Worker>,
    settings: &Settings,
    asker: Asker<'_>,
    about: &About,
    mut request: Request<Incoming>,
    busy: &Busy,
    entry: &mut Option<Entry>,
) -> Outcome {
    let refused =
        |page| Outcome { answer: Err(page), tried: Tried::new(), served: false, under_way: None };
    let admitted = http2::translate(&mut request, settings.max_headers)
        .and_then(|()| admit::admit(&request, settings.max_target_bytes));
    let asked = match admitted {
        Ok(asked) => asked,
        Err(page) => return refused(page),
    };
    let came_through = match came_through(&worker.shared, asker.client, &mut request) {
        Ok(via) => via,
        Err(page) => return refused(page),
    };
    if let Some(entry) = entry {
        entry.asked(&asked.host);
    }
    if let Some(answer) = challenged(worker, asker, &request, &asked) {
        return Outcome { answer: Ok(answer), tried: Tried::new(), served: false, under_way: None };
    }
    let is_person = asker.client.neighbour.is_none();
    let link = is_person.then(|| leads::short_link(&worker.shared, asker.client.at, &asked));
    if let Some(answer) = link.flatten() {
        return Outcome { answer, tried: Tried::new(), served: false, under_way: None };
    }
    if let Some(port) = asker.client.redirect {
        let answer = redirect::to_https(&asked, port).ok_or(pages::BAD_HOST);
        return Outcome { answer, tried: Tried::new(), served: false, under_way: None };
    }
    if worker.shared.via.is_in(request.headers()) {
        return refused(pages::LOOP);
    }
    // Before a 100 (RFC 9110 10.1.1), which hyper sends when the body is first read.
    if says_too_much(request.body(), settings.max_body_bytes) {
        worker.shared.metrics.large_bodies.add(1);
        return refused(pages::BODY_TOO_LARGE);
    }
    let routes = match leads::routes_of(&worker.shared, asker.client.at, &asked).await {
        Ok(routes) => routes,
        Err(page) => return refused(page),
    };
    if let Err(page) = leads::shows_what_is_asked(asker.client, &routes)
        .and_then(|()| leads::may_be_asked(&worker.shared, asker.client, &routes))
    {
        return refused(page);
    }
    let strips = routes.service.paths().filter(|_| routes.strip_prefix());
    let chosen_for = balance::Asker {
        client: asker.address,
        sticks_to: routes.balancer.as_ref().and_then(|_| balance::member_of(request.headers())),
        slow_start: settings.slow_start,
    };
    let upgrade = websocket::Upgrade::wanted(&mut request);
    let (parts, body) = request.into_parts();
    let tally = entry.as_ref().map(Entry::tally);
    let body = (!body.is_end_stream()).then(|| {
        let metrics = worker.shared.metrics.clone();
        let (pace, max_bytes) = (settings.body_pace, settings.max_body_bytes);
        let busy = busy.also();
        Replay::new(ClientBody::new(body, pace, max_bytes, metrics, busy, tally.clone()))
    });
    let onward = headers::Onward {
        via: &worker.shared.via,
        version: parts.version,
        client: asker.client,
        address: asker.address,
        trusted: asker.trusted,
        id: &about.id,
    };
    let protocol = upgrade.as_ref().map(|u| &u.protocol);
    let head = headers::request_head(
        parts.method,
        parts.headers,
        &asked,
        onward,
        protocol,
        body.is_some(),
        strips,
    );
    let mut forward = forward::Forward {
        worker,
        settings,
        routes: &routes,
        host: &asked.host,
        asker: chosen_for,
        head,
        body,
        upgrade: upgrade.is_some(),
        via: came_through,
        tried: Tried::new(),
        progress: forward::Progress::default(),
        tally,
    };
    let answer = forward.run().await;
    let tried = forward.tried;
    let served = answer.is_ok();
    if let Some(entry) = entry {
        entry.forwarded(&tried, answer.as_ref().ok().map(forward::Answer::route));
    }
    let mut under_way = forward.progress.under_way.take();
    let answer = answer.map(|answer| {
        let stays = routes.told_to_stay(answer.route(), chosen_for.sticks_to, asker.client.tls);
        let mut response = deliver(worker, answer, upgrade, &mut under_way);
        if let Some(cookie) = stays {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    });
    Outcome { answer, tried, served, under_way }
}

/// Turns an upstream's answer into the client's; after a 101, begins the tunnel.
fn deliver(
    worker: &Arc<Worker>,
    answer: forward::Answer,
    upgrade: Option<websocket::Upgrade>,
    under_way: &mut Option<balance::UnderWay>,
) -> Response<AnswerBody> {
    let (mut response, held) = match answer {
        forward::Answer::Upstream { response, held } => (response, held),
        forward::Answer::Files { response, .. } => return response,
    };
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let of_gateway = matches!(held.route.hop, Hop::Cluster(_));
    let mut held = Some(held);
    if let (true, Some(upgrade)) = (switched, upgrade) {
        // Until the tunnel ends it is one of the upstream's connections.
        let held = held.take();
        let upstream = hyper::upgrade::on(&mut response);
        let open = worker.shared.metrics.active_tunnels.hold();
        let stop = worker.shared.stop.clone();
        let under_way = under_way.take();
        worker.tasks.spawn(async move {
            websocket::tunnel(upgrade.client, upstream, stop).await;
            drop((open, under_way, held));
        });
    }
    let (mut parts, begun) = response.into_parts();
    headers::answer_headers(&mut parts.headers, switched, of_gateway);
    let body = match held {
        Some(held) => AnswerBody::Upstream(UpstreamBody::new(begun, held)),
        // The connection is the tunnel's now, and never the pool's.
        None => AnswerBody::Own(http_body_util::Full::default()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    response
}

/// What the log and the answer need of a request once it is gone.
struct About {
    id: HeaderValue,
    version: Version,
    method: Method,
    uri: http::Uri,
    accept: Option<HeaderValue>,
    trace: bool,
}

impl About {
    fn new(worker: &Worker, request: &Request<Incoming>, trusted: bool) -> Self {
        let headers = request.headers();
        let given = if trusted { headers.get(headers::X_REQUEST_ID) } else { None };
        let given = given.filter(|id| is_request_id(id));
        Self {
            id: given.cloned().unwrap_or_else(|| worker.ids.next()),
            version: request.version(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            accept: headers.get(http::header::ACCEPT).cloned(),
            trace: headers.contains_key(X_MESH_TRACE),
        }
    }
}

/// A trusted proxy may name a request, in a form that can't harm a log.
fn is_request_id(id: &HeaderValue) -> bool {
    let ok = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
    (1..=64).contains(&id.len()) && id.as_bytes().iter().all(ok)
}

/// `agent,tunnel,pcs`: the sources tried, and whether the last one answered (Mesh Router's form).
fn trace_value(tried: &[SmolStr], served: bool) -> HeaderValue {
    let end = if served { "pcs" } else { "failed" };
    let text = match tried {
        [] => end.to_owned(),
        tried => format!("{},{end}", tried.join(",")),
    };
    // Labels come from sources, which may have names of any characters.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("failed"))
}

/// Makes ids for requests: 16 hex digits, unlike each other, not secret.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seed: u64,
    n: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, n: AtomicU64::new(0) }
    }

    fn next(&self) -> HeaderValue {
        // SplitMix64: a bijection, so the ids of one worker never repeat.
        let n = self.n.fetch_add(1, Ordering::Relaxed);
        let mut x = self.seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        let digit = |nibble: u64| b"0123456789abcdef"[nibble as usize & 15];
        let hex: [u8; 16] = std::array::from_fn(|i| digit(x >> (60 - 4 * i)));
        // Hex digits are always a valid value.
        HeaderValue::from_bytes(&hex).unwrap_or(HeaderValue::from_static("0"))
    }
}

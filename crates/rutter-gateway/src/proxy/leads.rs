//! From what a request asks for to the routes by which it may be passed on.

use std::sync::atomic::Ordering;

use http::Response;

use super::admit::Asked;
use super::pages::{self, Page};
use super::{Client, Shared};
use crate::index::{ByPath, Found};
use crate::mtls::{self, Misplaced};
use crate::places::ConnectedAt;
use crate::routes::Routes;
use crate::upstream::body::AnswerBody;

impl Shared {
    /// The first of what a host leads to, for who is connected there, that `wanted` takes: what has a
    /// place of its own, then what has none.
    pub(crate) fn find_map<R>(
        &self,
        at: ConnectedAt,
        host: &str,
        mut wanted: impl FnMut(Found) -> Option<R>,
    ) -> Option<R> {
        let placed = self.places.find_map(at.local, host, &mut wanted);
        placed.or_else(|| {
            let own = if at.is_place { None } else { self.index.find(host) };
            own.and_then(wanted)
        })
    }
}

/// The answer to who asks for a short link: a redirect to HTTPS anyway, so it comes before the one
/// that keeps the host.
pub(super) fn short_link(
    shared: &Shared,
    at: ConnectedAt,
    asked: &Asked,
) -> Option<Result<Response<AnswerBody>, Page>> {
    let links = shared.short_links.as_ref().filter(|links| links.are_at(&asked.host))?;
    let is_service = at.is_place || shared.find_map(at, &asked.host, Some).is_some();
    (!is_service).then(|| links.answer(asked))
}

/// Whether a client has shown the certificate that a service asks for.
pub(super) fn shows_what_is_asked(client: &Client, routes: &Routes) -> Result<(), Page> {
    let shown = client.shown.as_deref();
    mtls::check(shown, &routes.asked, &routes.service, client.tls).map_err(|why| match why {
        Misplaced::Plain => pages::CERTIFICATE_REQUIRED,
        Misplaced::OfAnother => pages::MISDIRECTED,
    })
}

/// Whether a neighbour is told of a service: what policy keeps from it is nothing that it may ask for,
/// and it learns as little as of a name that isn't known.
pub(super) fn may_be_asked(shared: &Shared, client: &Client, routes: &Routes) -> Result<(), Page> {
    let (Some(neighbour), Some(clusters)) = (client.neighbour.as_deref(), &shared.clusters) else {
        return Ok(());
    };
    match clusters.is_told(&neighbour.0, &routes.service) {
        true => Ok(()),
        false => Err(pages::UNKNOWN_HOST),
    }
}

/// The routes by which a request for that host and path is forwarded: at least one. A path that is
/// nobody's is answered as a host that is nobody's, so who looks for what there is learns nothing by
/// the difference.
pub(super) async fn routes_of(
    shared: &Shared,
    at: ConnectedAt,
    asked: &Asked,
) -> Result<Found, Page> {
    let mut is_known = at.is_place;
    let found = shared.find_map(at, &asked.host, |found| {
        is_known = true;
        match found.by_path(asked.target.path()) {
            ByPath::Routes(routes) => Some(Ok(routes)),
            ByPath::Nobodys => None,
            // And so it isn't looked for any further.
            ByPath::TwoWays => {
                tracing::debug!(host = asked.host, "a path may be read as another service's");
                Some(Err(pages::UNKNOWN_HOST))
            }
        }
    });
    let found = match found {
        Some(found) => found,
        None if is_known => Err(pages::UNKNOWN_HOST),
        None => Box::pin(missed(shared, &asked.host)).await,
    };
    let page = match found {
        Ok(routes) if !routes.ranked.is_empty() => return Ok(routes),
        Ok(_) => pages::NO_ROUTES,
        // Who doesn't know yet sends nobody elsewhere.
        Err(page) if page != pages::UNKNOWN_HOST => return Err(page),
        Err(page) => page,
    };
    let default = shared.default_routes.clone().filter(|_| !at.is_place);
    default.map(Found::from).ok_or(page)
}

/// The routes of a host that the index doesn't know, if there is somebody to ask.
async fn missed(shared: &Shared, host: &str) -> Result<Found, Page> {
    if !shared.told.load(Ordering::Relaxed) {
        return Err(pages::NOT_TOLD);
    }
    match shared.on_miss.get() {
        Some(on_miss) => on_miss.find(&shared.index, host).await,
        None => Err(pages::UNKNOWN_HOST),
    }
}

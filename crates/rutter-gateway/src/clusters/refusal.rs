//! What a neighbour's gateway says when it has no answer of the service's.
//!
//! Its own pages carry a code (`X-Rutter-Error`), which it lets no service say. Of some it is clear
//! that nobody has the request, of others that somebody may have had it. So a way that a neighbour
//! has lost, and of which the fabric hasn't told yet, costs a try and no failed request.

use http::HeaderMap;

use crate::proxy::pages::{self, Page, X_RUTTER_ERROR};

/// What became of a request that a neighbour refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whether a service may have it.
    pub(crate) may_be_done: bool,
    /// What a client is told if no other way gives an answer.
    pub(crate) page: Page,
}

/// Reads it in an answer; `None`: it is the service's answer, or one that another way gives as well.
pub(crate) fn of(headers: &HeaderMap) -> Option<Refusal> {
    let nobody = |page| Some(Refusal { may_be_done: false, page });
    match headers.get(X_RUTTER_ERROR)?.as_bytes() {
        b"CLUSTER_LOOP" => nobody(pages::CLUSTER_LOOP),
        b"HOP_BUDGET" => nobody(pages::HOP_BUDGET),
        b"NO_WAY" | b"NO_ROUTES" | b"NO_MEMBER" | b"NOT_TOLD" | b"UNKNOWN_HOST"
        | b"NOT_NEIGHBOUR" | b"LOOP" | b"BACKEND_BUSY" => nobody(pages::NO_WAY),
        b"ROUTES_EXHAUSTED" | b"BACKEND_FAILED" | b"RETRY_BUDGET" => {
            Some(Refusal { may_be_done: true, page: pages::ROUTES_EXHAUSTED })
        }
        _ => None,
    }
}

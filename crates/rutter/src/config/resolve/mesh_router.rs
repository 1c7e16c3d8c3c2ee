//! A gateway by a backend of Mesh Router's.

use std::str::FromStr;

use super::Problems;
use crate::config::resolved::MeshRouter;
use crate::config::{Period, Problem, raw};

/// `None` where what must be there is missing or wrong, which is then told.
pub(super) fn resolve(raw: &raw::MeshRouter, to: &mut Problems) -> Option<MeshRouter> {
    let at = |key: &str| format!("gateway.mesh_router.{key}");
    let backend = match &raw.backend {
        Some(url) => parsed(url, &at("backend"), to),
        None => {
            to.push(
                Problem::at("gateway.mesh_router", "which backend?")
                    .help("write `backend: http://HOST:PORT` in it"),
            );
            None
        }
    };
    let ca_pin = raw.ca_pin.as_ref().map(|pin| parsed(pin, &at("ca_pin"), to));
    let (cache_ttl, max_names) =
        (raw.cache_ttl.unwrap_or(Period::seconds(60)), raw.max_names.unwrap_or(10_000));
    to.more_than_zero(&at("cache_ttl"), cache_ttl);
    let negative_ttl = raw.negative_ttl.unwrap_or(Period::seconds(10));
    to.more_than_zero(&at("negative_ttl"), negative_ttl);
    to.unless((1..=1_000_000).contains(&max_names), &at("max_names"), "expected 1 to 1000000");
    Some(MeshRouter {
        backend: backend?,
        cache_ttl,
        stale_for: raw.stale_for.unwrap_or(Period::seconds(600)),
        negative_ttl,
        max_names,
        ca_pin: ca_pin.map_or(Some(None), |pin| pin.map(Some))?,
    })
}

/// Where requests go that lead nowhere.
pub(super) fn default_backend(text: &str, to: &mut Problems) -> Option<rutter_route::Endpoint> {
    parsed(text.trim_end_matches('/'), "gateway.default_backend", to)
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    text: &str,
    path: &str,
    to: &mut Problems,
) -> Option<T> {
    text.parse().map_err(|error: T::Err| to.at(path, error.to_string())).ok()
}

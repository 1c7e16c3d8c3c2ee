//! Routes and their attributes on the wire.

use std::sync::Arc;

use rutter_rib::ToldRoute;
use rutter_route::{
    Attributes, DEFAULT_PREFERENCE, Delivery, HealthCheck, MAX_PATH_LIST, PathList, PathStep,
    Priority, RouteKey, SourceId, Standing, Tag, Tags,
};

use super::{Malformed, v1};

/// What [`v1::Attributes::reliability_ppm`] is when it is absent.
const FULL_RELIABILITY: u32 = 1_000_000;

pub(crate) fn encode(route: &ToldRoute) -> v1::Route {
    v1::Route {
        source: route.route.source.to_string(),
        path: route.route.path.to_string(),
        attributes: Some(encode_attributes(&route.attributes)),
        standing: encode_standing(route.standing).into(),
        equal: route.equal,
    }
}

/// A route as it arrives. `teller` is the source of those that name none.
pub(crate) fn decode(wire: &v1::Route, teller: &SourceId) -> Result<ToldRoute, Malformed> {
    let source = match wire.source.as_str() {
        "" => teller.clone(),
        text => text.parse().map_err(Malformed::at("route.source"))?,
    };
    let path = wire.path.parse().map_err(Malformed::at("route.path"))?;
    let attributes = wire.attributes.as_ref();
    let attributes =
        attributes.ok_or_else(|| Malformed::new("route.attributes", "expected attributes"))?;
    Ok(ToldRoute {
        route: RouteKey { source, path },
        attributes: decode_attributes(attributes)?,
        standing: decode_standing(wire.standing)?,
        equal: wire.equal,
    })
}

/// Barred routes are never told, so the wire has no word for them; should one be handed in, it is
/// told as the worst that there is.
fn encode_standing(standing: Standing) -> v1::Standing {
    match standing {
        Standing::Eligible => v1::Standing::Eligible,
        Standing::Draining => v1::Standing::Draining,
        Standing::Stale => v1::Standing::Stale,
        Standing::Unhealthy
        | Standing::Denied
        | Standing::Unapproved
        | Standing::Offline
        | Standing::Unresolved
        | Standing::Held => v1::Standing::Unhealthy,
    }
}

fn decode_standing(wire: i32) -> Result<Standing, Malformed> {
    match v1::Standing::try_from(wire) {
        Ok(v1::Standing::Eligible) => Ok(Standing::Eligible),
        Ok(v1::Standing::Draining) => Ok(Standing::Draining),
        Ok(v1::Standing::Stale) => Ok(Standing::Stale),
        Ok(v1::Standing::Unhealthy) => Ok(Standing::Unhealthy),
        Err(_) => Err(Malformed::new("route.standing", "expected a standing of this revision")),
    }
}

pub(crate) fn encode_attributes(from: &Attributes) -> v1::Attributes {
    v1::Attributes {
        next_hop: from.next_hop.to_string(),
        preference: (from.preference != DEFAULT_PREFERENCE).then_some(from.preference),
        priority: match from.priority == Priority::default() {
            true => String::new(),
            false => from.priority.to_string(),
        },
        metric: from.metric,
        hops: from.hops.into(),
        latency_us: from.latency_us,
        bandwidth_kbps: from.bandwidth_kbps,
        reliability_ppm: (from.reliability_ppm != FULL_RELIABILITY).then_some(from.reliability_ppm),
        cost: from.cost,
        weight: (from.weight != 1).then_some(from.weight.into()),
        group: from.group.as_ref().map(ToString::to_string).unwrap_or_default(),
        tags: from.tags.iter().map(ToString::to_string).collect(),
        health_check: from.health_check.as_ref().map(|check| v1::HealthCheck {
            path: check.path.clone(),
            host: check.host.clone().unwrap_or_default(),
        }),
        delivery: from.delivery.as_deref().map(encode_delivery).unwrap_or_default(),
        path_list: from
            .path_list
            .iter()
            .map(|step| v1::PathStep {
                cluster: step.cluster.to_string(),
                table: step.table.to_string(),
            })
            .collect(),
    }
}

pub(crate) fn decode_attributes(wire: &v1::Attributes) -> Result<Attributes, Malformed> {
    let next_hop = wire.next_hop.parse().map_err(Malformed::at("route.next_hop"))?;
    let priority = match wire.priority.as_str() {
        "" => Priority::default(),
        text => text.parse().map_err(Malformed::at("route.priority"))?,
    };
    let group = match wire.group.as_str() {
        "" => None,
        text => Some(text.parse().map_err(Malformed::at("route.group"))?),
    };
    Ok(Attributes {
        preference: wire.preference.unwrap_or(DEFAULT_PREFERENCE),
        priority,
        metric: wire.metric,
        hops: small(wire.hops, "route.hops")?,
        latency_us: wire.latency_us,
        bandwidth_kbps: wire.bandwidth_kbps,
        reliability_ppm: wire.reliability_ppm.unwrap_or(FULL_RELIABILITY),
        cost: wire.cost,
        weight: small(wire.weight.unwrap_or(1), "route.weight")?,
        group,
        tags: tags(&wire.tags)?,
        health_check: wire.health_check.as_ref().map(health_check).transpose()?,
        delivery: delivery(&wire.delivery)?,
        path_list: path_list(&wire.path_list)?,
        ..Attributes::via(next_hop)
    })
}

fn small(number: u32, field: &'static str) -> Result<u16, Malformed> {
    u16::try_from(number).map_err(|_| Malformed::new(field, "expected at most 65535"))
}

fn tags(wire: &[String]) -> Result<Tags, Malformed> {
    let tags = wire.iter().map(|text| text.parse::<Tag>()).collect::<Result<Vec<_>, _>>();
    tags.and_then(Tags::try_from).map_err(Malformed::at("route.tags"))
}

fn health_check(wire: &v1::HealthCheck) -> Result<HealthCheck, Malformed> {
    if !wire.path.starts_with('/') {
        return Err(Malformed::new("route.health_check.path", "expected a path from `/` on"));
    }
    let host = (!wire.host.is_empty()).then(|| wire.host.clone());
    Ok(HealthCheck { path: wire.path.clone(), host })
}

/// Nothing in a delivery can't stand in JSON; were there something, the route would be refused by
/// the other end for the word in its place.
fn encode_delivery(delivery: &Delivery) -> String {
    serde_json::to_string(delivery).unwrap_or_else(|error| error.to_string())
}

fn delivery(wire: &str) -> Result<Option<Arc<Delivery>>, Malformed> {
    if wire.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(wire).map(Some).map_err(|e| Malformed::new("route.delivery", e))
}

fn path_list(wire: &[v1::PathStep]) -> Result<PathList, Malformed> {
    if wire.len() > MAX_PATH_LIST {
        let expected = format!("expected at most {MAX_PATH_LIST} steps");
        return Err(Malformed::new("route.path_list", expected));
    }
    let step = |step: &v1::PathStep| {
        Ok(PathStep {
            cluster: step.cluster.parse().map_err(Malformed::at("route.path_list.cluster"))?,
            table: step.table.parse().map_err(Malformed::at("route.path_list.table"))?,
        })
    };
    wire.iter().map(step).collect()
}

//! From what was written to routes and addresses, joined over files.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rutter_route::Prefix;
use rutter_yaml::Problem;

use super::raw;
use super::{DeviceAddress, StaticRoute};
use crate::config::InterfaceAddress;

/// The kernel's table `main`.
const MAIN: i64 = 254;

/// What netplan's files have said so far, by device.
#[derive(Debug, Default)]
pub(super) struct Devices(BTreeMap<String, Device>);

#[derive(Debug, Default)]
struct Device {
    routes: Vec<StaticRoute>,
    addresses: Vec<DeviceAddress>,
    /// Keys that a later file's win over.
    gateway4: Option<StaticRoute>,
    gateway6: Option<StaticRoute>,
}

impl Devices {
    /// Joins what one more file says. Gives what is wrong with it.
    pub(super) fn join(&mut self, file: raw::File) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (kind, devices) in file.network.into_iter().flat_map(raw::Network::kinds) {
            for (name, device) in devices {
                let Some(device) = device else { continue };
                let place = Place(vec!["network".into(), kind.into(), name.clone()]);
                let known = self.0.entry(name.clone()).or_default();
                known.join(&name, device, &place, &mut problems);
            }
        }
        problems
    }

    /// All routes and addresses, each once.
    pub(super) fn into_plan(self) -> (Vec<StaticRoute>, Vec<DeviceAddress>) {
        let (mut routes, mut addresses) = (Vec::new(), Vec::new());
        for device in self.0.into_values() {
            routes.extend(device.routes);
            routes.extend(device.gateway4);
            routes.extend(device.gateway6);
            addresses.extend(device.addresses);
        }
        routes.sort();
        routes.dedup();
        addresses.sort();
        addresses.dedup();
        (routes, addresses)
    }
}

impl Device {
    fn join(&mut self, name: &str, said: raw::Device, place: &Place, problems: &mut Vec<Problem>) {
        let mut gather = |result| match result {
            Ok(value) => value,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        for (n, route) in said.routes.into_iter().flatten().enumerate() {
            let place = place.at("routes").at(&n.to_string());
            self.routes.extend(gather(static_route(name, &route, &place)));
        }
        if let Some(via) = &said.gateway4 {
            self.gateway4 = gather(gateway(name, via, true, &place.at("gateway4")));
        }
        if let Some(via) = &said.gateway6 {
            self.gateway6 = gather(gateway(name, via, false, &place.at("gateway6")));
        }
        for (n, address) in said.addresses.into_iter().flatten().enumerate() {
            let place = place.at("addresses").at(&n.to_string());
            match device_address(name, &address, &place) {
                Ok(address) => self.addresses.push(address),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

/// Where something stands in the file.
struct Place(Vec<String>);

impl Place {
    fn at(&self, key: &str) -> Self {
        let mut path = self.0.clone();
        path.push(key.to_owned());
        Self(path)
    }

    fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at_path(self.0.clone(), message)
    }
}

/// `None`: it doesn't lead anywhere by the table `main`.
fn static_route(
    device: &str,
    said: &raw::Route,
    place: &Place,
) -> Result<Option<StaticRoute>, Problem> {
    let is_unicast = said.kind.as_deref().is_none_or(|kind| kind == "unicast");
    if !is_unicast || said.table.is_some_and(|table| table != MAIN) {
        return Ok(None);
    }
    let via = match &said.via {
        Some(via) => Some(router(via, &place.at("via"))?),
        None => None,
    };
    let to = said.to.as_deref().ok_or_else(|| place.problem("the key `to` is missing"))?;
    let to = destination(to, via, &place.at("to"))?;
    if let Some(via) = via
        && via.is_ipv4() != to.is_v4()
    {
        let message = format!("{via} is of the other address family than {to}");
        return Err(place.at("via").problem(message));
    }
    let metric = match said.metric {
        Some(metric) => Some(u32::try_from(metric).map_err(|_| {
            let message = format!("expected a metric of 0 to {}, found {metric}", u32::MAX);
            place.at("metric").problem(message)
        })?),
        None => None,
    };
    let on_link = said.on_link.unwrap_or(false);
    Ok(Some(StaticRoute { to, via, metric, on_link, device: device.to_owned() }))
}

/// `default` is of the router's family, and without a router of IPv4.
fn destination(text: &str, via: Option<IpAddr>, place: &Place) -> Result<Prefix, Problem> {
    if text == "default" {
        let v6 = via.is_some_and(|via| via.is_ipv6());
        return Ok(if v6 { Prefix::DEFAULT_V6 } else { Prefix::DEFAULT_V4 });
    }
    let expected = || {
        place.problem(format!(
            "expected a destination such as `10.0.0.0/8`, `2001:db8::/32` or `default`, found `{text}`"
        ))
    };
    let Some((address, length)) = text.split_once('/') else {
        return Ok(Prefix::host(text.parse().map_err(|_| expected())?));
    };
    let (Ok(address), Ok(length)) = (address.parse(), length.parse()) else {
        return Err(expected());
    };
    // netplan's renderers clear bits of a host as well.
    Prefix::truncated(address, length).map_err(|error| place.problem(error.to_string()))
}

fn router(text: &str, place: &Place) -> Result<IpAddr, Problem> {
    let expected = |_| place.problem(format!("expected the address of a router, found `{text}`"));
    text.parse().map_err(expected)
}

fn gateway(
    device: &str,
    text: &str,
    v4: bool,
    place: &Place,
) -> Result<Option<StaticRoute>, Problem> {
    let via = router(text, place)?;
    if via.is_ipv4() != v4 {
        let family = if v4 { "IPv4" } else { "IPv6" };
        return Err(place.problem(format!("expected an address of {family}, found `{text}`")));
    }
    let to = if v4 { Prefix::DEFAULT_V4 } else { Prefix::DEFAULT_V6 };
    let device = device.to_owned();
    Ok(Some(StaticRoute { to, via: Some(via), metric: None, on_link: false, device }))
}

fn device_address(
    device: &str,
    said: &raw::Address,
    place: &Place,
) -> Result<DeviceAddress, Problem> {
    let text = match said {
        raw::Address::Plain(text) => text,
        raw::Address::WithOptions(options) => {
            let mut keys = options.keys();
            match (keys.next(), keys.next()) {
                (Some(text), None) => text,
                _ => return Err(place.problem("expected one address with its options")),
            }
        }
    };
    let address: InterfaceAddress =
        text.parse().map_err(|error: rutter_route::ParseError| place.problem(error.to_string()))?;
    Ok(DeviceAddress { address, device: device.to_owned() })
}

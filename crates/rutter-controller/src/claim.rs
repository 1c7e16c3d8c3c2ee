//! A route as a front end hands it in: parsed, but not yet anyone's.

use std::fmt;
use std::str::FromStr;

use rutter_route::{
    Advertisement, Attributes, Endpoint, HealthCheck, NextHop, ParseError, PathId, Priority,
    Service, ServiceName,
};
use serde::{Deserialize, Serialize};

use rutter_registry::DomainName;

use crate::name::service_name;

/// The longest path of a health check, in bytes.
pub const MAX_HEALTH_PATH: usize = 1024;

/// What stands before a user's name: `web` of `web.alice.localhost`. One label or several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceLabel(ServiceName);

impl FromStr for ServiceLabel {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "labels of letters, digits and `-`, such as `web`";
        text.parse().map(Self).map_err(|_| ParseError::new("service", text, expected))
    }
}

impl fmt::Display for ServiceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A claim about one of a user's own services. It doesn't hold the user's name, so that it
/// outlives a rename; its serde form is how the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteClaim {
    /// Which service; `None`: the name itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceLabel>,
    /// Which of the source's routes to it.
    pub path: PathId,
    /// Where it answers.
    pub endpoint: Endpoint,
    /// In which order it is tried: lower first.
    pub priority: Priority,
    /// How the gateway asks whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// The claim in the words of the foreign system it came from, kept with the lease and handed
    /// back as it came; it decides nothing here.
    pub said: Option<String>,
}

impl RouteClaim {
    /// The destination that it is about, for the user with this name.
    ///
    /// # Errors
    /// When service, name and domain are longer than a host name may be.
    pub fn destination(
        &self,
        name: &DomainName,
        domain: &ServiceName,
    ) -> Result<Service, ParseError> {
        let own = service_name(name, domain)?;
        match &self.service {
            None => Ok(Service::http(own)),
            Some(label) => format!("{label}.{own}").parse().map(Service::http),
        }
    }

    /// The claim as the table takes it.
    ///
    /// # Errors
    /// As [`RouteClaim::destination`].
    pub fn advertisement(
        &self,
        name: &DomainName,
        domain: &ServiceName,
    ) -> Result<Advertisement<Service>, ParseError> {
        let mut attributes = Attributes::via(NextHop::Endpoint(self.endpoint.clone()));
        attributes.priority = self.priority;
        attributes.health_check = self.health_check.clone();
        let mut said = Advertisement::new(self.destination(name, domain)?, attributes);
        said.path = self.path.clone();
        Ok(said)
    }
}

/// A health check whose path can stand in a request line and whose host in a header.
///
/// # Errors
/// A path that doesn't begin with `/`, is over [`MAX_HEALTH_PATH`] bytes or has blanks or control
/// characters; a host that is not `NAME[:PORT]` or an address.
pub fn health_check(path: &str, host: Option<&str>) -> Result<HealthCheck, ParseError> {
    let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if !path.starts_with('/') || path.len() > MAX_HEALTH_PATH || !printable(path) {
        let expected = "a path that begins with `/`, of at most 1024 printable ASCII characters";
        return Err(ParseError::new("health check's path", path, expected));
    }
    if let Some(host) = host
        && (host.is_empty() || host.len() > 260 || !host.bytes().all(is_authority_byte))
    {
        return Err(ParseError::new("health check's host", host, "a host name, perhaps `:PORT`"));
    }
    Ok(HealthCheck { path: path.to_owned(), host: host.map(str::to_owned) })
}

fn is_authority_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)
}

#[cfg(test)]
mod tests;

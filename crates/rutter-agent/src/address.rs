//! At which address this host is registered.
//!
//! Given; else over loopback the service's own; else found by STUN, anew with each renewal since a
//! home's address changes. Where STUN fails, the last address that it found is kept, and before
//! there was any, the address that the controller saw is taken: on a network without a way out
//! both ends see each other directly, so that address is the right one there.

use std::net::IpAddr;

use rutter_route::HostName;

use crate::{AgentError, StunConfig, stun};

/// Finds the address to register.
#[derive(Debug)]
pub(crate) struct Addresses {
    explicit: Option<HostName>,
    stun: StunConfig,
    last: Option<IpAddr>,
}

impl Addresses {
    pub(crate) fn new(explicit: Option<HostName>, stun: StunConfig) -> Self {
        Self { explicit, stun, last: None }
    }

    /// The host to register; `None`: the service's own. `seen` is the controller's view of us.
    pub(crate) async fn find(
        &mut self,
        loopback: bool,
        seen: Option<IpAddr>,
    ) -> Result<Option<HostName>, AgentError> {
        if let Some(explicit) = &self.explicit {
            return Ok(Some(explicit.clone()));
        }
        if loopback {
            return Ok(None);
        }
        let found = match stun::discover(&self.stun).await {
            Ok(found) => found,
            Err(error) => self.instead(seen, error)?,
        };
        self.tell(found, seen);
        self.last = Some(found);
        Ok(Some(HostName::Address(found)))
    }

    fn instead(&self, seen: Option<IpAddr>, error: AgentError) -> Result<IpAddr, AgentError> {
        let seen = seen.filter(|a| !a.is_loopback() && !a.is_unspecified());
        let Some(address) = self.last.or(seen) else {
            return Err(error);
        };
        if self.last == Some(address) {
            tracing::debug!(%error, %address, "going on with the address known before");
        } else {
            tracing::warn!(%error, %address, "going on with the address that the controller saw");
        }
        Ok(address)
    }

    fn tell(&self, found: IpAddr, seen: Option<IpAddr>) {
        match (self.last, seen) {
            (Some(last), _) if last != found => {
                tracing::info!(address = %found, "this host's public address has changed");
            }
            (None, Some(seen)) if seen != found => tracing::info!(
                "registering {found}, as the outside sees this host; the controller sees it at \
                 {seen}: if the gateway is on that network too, give --address {seen}"
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

//! Addresses of names, kept for a moment: a thousand routes to `localhost` look it up once.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rutter_route::ServiceName;
use tokio::net::lookup_host;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long an answer is believed; less than the shortest interval's few probes.
const KEPT: Duration = Duration::from_secs(2);

/// How many names are kept; at more, all are looked up again.
const MAX_NAMES: usize = 10_000;

/// The names that were looked up.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Mutex<HashMap<ServiceName, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    since: Instant,
    /// Whoever asks first fills it; others wait for that.
    addresses: Arc<OnceCell<Result<Arc<[IpAddr]>, Failed>>>,
}

/// An error that can be told to many.
#[derive(Debug, Clone)]
struct Failed(io::ErrorKind, String);

impl Names {
    /// The addresses of a name, none twice, as the system orders them.
    pub(super) async fn find(&self, name: &ServiceName) -> io::Result<Arc<[IpAddr]>> {
        let known = self.known(name);
        let found = known.addresses.get_or_init(|| look_up(name)).await;
        found.clone().map_err(|Failed(kind, why)| io::Error::new(kind, why))
    }

    fn known(&self, name: &ServiceName) -> Known {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(name).filter(|k| now.duration_since(k.since) < KEPT) {
            return known.clone();
        }
        if known.len() >= MAX_NAMES {
            known.clear();
        }
        let fresh = Known { since: now, addresses: Arc::default() };
        known.insert(name.clone(), fresh.clone());
        fresh
    }
}

async fn look_up(name: &ServiceName) -> Result<Arc<[IpAddr]>, Failed> {
    let found = lookup_host((name.as_str(), 0)).await;
    let found = found.map_err(|error| Failed(error.kind(), format!("{name}: {error}")))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_many_ask_for_is_looked_up_once_and_few_names_are_kept() {
        let names = Names::default();
        let localhost: ServiceName = "localhost".parse().unwrap();
        let (first, second) = tokio::join!(names.find(&localhost), names.find(&localhost));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(Arc::ptr_eq(&first, &second), "one answer for both");
        assert!(first.iter().all(IpAddr::is_loopback), "{first:?}");
        for n in 0..MAX_NAMES + 10 {
            names.known(&format!("n{n}").parse().unwrap());
        }
        assert!(names.known.lock().unwrap().len() <= MAX_NAMES);
    }
}

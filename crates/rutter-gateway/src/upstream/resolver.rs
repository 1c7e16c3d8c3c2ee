//! Names of upstreams, looked up when they are connected to.
//!
//! The system's resolver, behind a small cache: an answer is believed for 30 s, a failure for 5 s
//! (the system's resolver doesn't say what the DNS allowed), 1,024 names at most, and when that is
//! full those that ended are dropped, else all.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rutter_route::ServiceName;
use tokio::time::Instant;

const GOOD: Duration = Duration::from_secs(30);
const BAD: Duration = Duration::from_secs(5);
const MAX_NAMES: usize = 1024;

/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Resolver {
    known: Mutex<HashMap<ServiceName, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    until: Instant,
    addresses: Result<Vec<IpAddr>, String>,
}

impl Resolver {
    /// The addresses of a name, in the resolver's order.
    pub(super) async fn look_up(&self, name: &ServiceName) -> io::Result<Vec<IpAddr>> {
        let now = Instant::now();
        let known = self.lock().get(name).filter(|k| k.until > now).cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let found = ask(name).await;
                self.keep(name, now, found)
            }
        };
        known.addresses.map_err(io::Error::other)
    }

    fn keep(&self, name: &ServiceName, now: Instant, found: io::Result<Vec<IpAddr>>) -> Known {
        let addresses = found.map_err(|e| e.to_string());
        let until = now + if addresses.is_ok() { GOOD } else { BAD };
        let known = Known { until, addresses };
        let mut all = self.lock();
        if all.len() >= MAX_NAMES {
            all.retain(|_, k| k.until > now);
        }
        if all.len() >= MAX_NAMES {
            all.clear();
        }
        all.insert(name.clone(), known.clone());
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ServiceName, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(name: &ServiceName) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|a| a.ip()) {
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    Ok(addresses)
}

//! Who is compared: the gateway's index, and a lock around the standard map with two hashers.
//!
//! What a look-up is: the routes of a host, at hand to be read. The index gives them out; the lock
//! is held while they are read, which is kinder to it than what a proxy would do, since a request
//! outlives its look-up and would have to count itself among the holders of an `Arc` too.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::sync::{Arc, PoisonError, RwLock};

use rutter_gateway::HostIndex;
use rutter_gateway::routes::Routes;
use rutter_route::Service;

/// A service, and its routes from now on; `None`: it is gone.
pub(super) type Write = (Service, Option<Arc<Routes>>);

/// From hosts to routes, read and written at once.
pub(super) trait Contender: Sync {
    /// Its name in the report.
    const NAME: &'static str;

    fn new() -> Self;

    /// Whether the host is there, its routes having been at hand.
    fn find(&self, host: &str) -> bool;

    /// Takes what one tick brings.
    fn write(&self, batch: Vec<Write>);
}

/// The gateway's.
pub(super) struct Index(HostIndex);

impl Contender for Index {
    const NAME: &'static str = "the gateway's index";

    fn new() -> Self {
        Self(HostIndex::new(&[]))
    }

    #[inline]
    fn find(&self, host: &str) -> bool {
        let found = self.0.find(host).and_then(|found| found.at("/"));
        found.is_some_and(|found| !std::ptr::eq(black_box(&*found), std::ptr::null()))
    }

    fn write(&self, batch: Vec<Write>) {
        self.0.apply(batch);
    }
}

/// A lock around the standard map.
pub(super) struct Locked<S>(RwLock<HashMap<String, Arc<Routes>, S>>);

/// With the standard hasher, as one writes it without thinking.
pub(super) type Standard = Locked<RandomState>;

/// With the hasher that the index has.
pub(super) type Fast = Locked<foldhash::quality::RandomState>;

impl Contender for Standard {
    const NAME: &'static str = "`RwLock<HashMap>`";

    fn new() -> Self {
        Self(RwLock::default())
    }

    #[inline]
    fn find(&self, host: &str) -> bool {
        self.read(host)
    }

    fn write(&self, batch: Vec<Write>) {
        self.take(batch);
    }
}

impl Contender for Fast {
    const NAME: &'static str = "`RwLock<HashMap>`, foldhash";

    fn new() -> Self {
        Self(RwLock::default())
    }

    #[inline]
    fn find(&self, host: &str) -> bool {
        self.read(host)
    }

    fn write(&self, batch: Vec<Write>) {
        self.take(batch);
    }
}

impl<S: BuildHasher> Locked<S> {
    #[inline]
    fn read(&self, host: &str) -> bool {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.get(host).is_some_and(|found| !std::ptr::eq(black_box(&**found), std::ptr::null()))
    }

    /// The lock is taken once a write, so that readers get in between; what is dropped is dropped
    /// outside of it.
    fn take(&self, batch: Vec<Write>) {
        for (service, routes) in batch {
            let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let old = match routes {
                Some(routes) => map.insert(service.name.as_str().to_owned(), routes),
                None => map.remove(service.name.as_str()),
            };
            drop(map);
            drop(old);
        }
    }
}

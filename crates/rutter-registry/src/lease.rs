//! What sources have said and until when it stands, so that a restart forgets none of it.
//!
//! A stored lease is what remained of it and what the wall's clock said at that time. A restart
//! takes `remaining - (now - written)`, moved into 0 to the lease: a clock set back by a day
//! makes a lease last one lease at most, one set forward ends it early, and neither costs more
//! than one lease. The deadline itself can't be stored, since the clock that never jumps has
//! another origin in every process.

use std::time::Duration;

use async_trait::async_trait;
use rutter_route::{Incarnation, Wall};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::text_type::text_type;
use crate::{Error, Page, Result, UserId};

/// The most sources that may have routes for one user. One more is refused when none of the
/// others has ended.
pub const MAX_SOURCES_OF_USER: usize = 16;

text_type! {
    /// What a user calls one of its sources: `agent`, `tunnel`, or any text of 1 to 100 bytes
    /// without control characters.
    SourceName, "source", "1 to 100 bytes without control characters", |text| {
        (1..=100).contains(&text.len()) && !text.chars().any(char::is_control)
    }
}

/// The set of routes that a source advertised, as JSON text. What is in it is the caller's
/// business: an array of [`Advertisement`](rutter_route::Advertisement)s of some destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes(String);

impl Routes {
    /// The longest set, in bytes of JSON.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// The set as JSON.
    ///
    /// # Errors
    /// [`TooLong`](Error::TooLong) over [`Routes::MAX_BYTES`].
    pub fn encode<T: Serialize + ?Sized>(routes: &T) -> Result<Self> {
        let json = serde_json::to_string(routes)
            .map_err(|e| Error::Unreadable { what: "set of routes", why: e.to_string() })?;
        Self::from_json(json)
    }

    /// What was encoded.
    ///
    /// # Errors
    /// [`Unreadable`](Error::Unreadable) when it was something else.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.0)
            .map_err(|e| Error::Unreadable { what: "set of routes", why: e.to_string() })
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_json(json: String) -> Result<Self> {
        if json.len() > Self::MAX_BYTES {
            let what = "the set of routes of one source";
            return Err(Error::TooLong { what, bytes: json.len(), most: Self::MAX_BYTES });
        }
        Ok(Self(json))
    }
}

/// Which lease: a user's source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey {
    /// Whose.
    pub user: UserId,
    /// Which of the user's sources.
    pub source: SourceName,
}

/// A set of routes and how long it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLease {
    /// Which source says so.
    pub key: LeaseKey,
    /// Its session.
    pub incarnation: Incarnation,
    /// How long it stands from now, in whole milliseconds.
    pub lease: Duration,
    /// All that the source says; replaces all that it said before.
    pub routes: Routes,
}

/// A set of routes as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLease {
    /// Which source said so.
    pub key: LeaseKey,
    /// Its session.
    pub incarnation: Incarnation,
    /// The whole lease, as it was granted.
    pub lease: Duration,
    /// What remains of it: more than zero, at most `lease`.
    pub remaining: Duration,
    /// All that the source said.
    pub routes: Routes,
}

/// What remains at `now` of a lease of which `remaining` was left at `written`.
pub(crate) fn remains(lease: Duration, remaining: Duration, written: Wall, now: Wall) -> Duration {
    if now < written {
        let back = Duration::from_millis(written.0 - now.0);
        return remaining.saturating_add(back).min(lease);
    }
    remaining.saturating_sub(Duration::from_millis(now.0 - written.0)).min(lease)
}

/// Leases, wherever they are stored.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Replaces all that the source said before, and begins its lease anew.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) for an unknown user, [`OldSession`](Error::OldSession) when
    /// a newer session of the source has written, [`Bound`](Error::Bound) when the user has
    /// [`MAX_SOURCES_OF_USER`] others that have not ended.
    async fn put_lease(&self, now: Wall, lease: NewLease) -> Result<()>;

    /// Begins the lease of a source anew, which may have ended: who renews is alive.
    ///
    /// # Errors
    /// [`NotFound`](Error::NotFound) when the source has said nothing.
    async fn renew_lease(&self, now: Wall, key: &LeaseKey, lease: Duration) -> Result<()>;

    /// Removes what one source said; whether there was anything.
    async fn remove_lease(&self, key: &LeaseKey) -> Result<bool>;

    /// Removes what all sources of a user said; how many had said something.
    async fn remove_leases(&self, user: &UserId) -> Result<usize>;

    /// Leases that have not ended at `now`, ordered by user and source. A page is read by the
    /// clock it is given: use one `now` for all pages of a listing.
    async fn leases(&self, now: Wall, page: Page<LeaseKey>) -> Result<Vec<StoredLease>>;

    /// Removes leases that have ended at `now`; how many. For a start, after `leases`: later the
    /// table knows better than a wall's clock which have ended.
    async fn remove_ended_leases(&self, now: Wall) -> Result<usize>;
}

/// The counter of sessions.
#[async_trait]
pub trait Incarnations: Send + Sync {
    /// A number higher than every one ever returned, in this process or any before it.
    ///
    /// # Errors
    /// Only those of the storage: no number is given that could be given again.
    async fn next_incarnation(&self) -> Result<Incarnation>;
}

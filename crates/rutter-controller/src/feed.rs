//! The table that the controller's registrations go into, as the controller sees it.
//!
//! A trait with one implementation in the program, so that the order of things (first the
//! registry, then the table) and a table that is gone can be tested without one.

use std::time::Duration;

use async_trait::async_trait;
use rutter_route::{Advertisement, Incarnation, Service, SourceId, SourceInfo, Standing, Verdict};

use crate::Result;

/// All that one source says.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSet {
    /// Which source.
    pub source: SourceId,
    /// Its session.
    pub incarnation: Incarnation,
    /// What is known of it, its lease among it.
    pub info: SourceInfo,
    /// All its routes.
    pub routes: Vec<Advertisement<Service>>,
}

/// A table of services that takes what sources say.
#[async_trait]
pub trait Feed: Send + Sync {
    /// The source is up, and this is all it says: begin, advertise each, end. One verdict for each
    /// route, in their order, after the commit.
    ///
    /// # Errors
    /// [`Closed`](crate::Error::Closed) when the table's owner has ended.
    async fn replace(&self, set: SourceSet) -> Result<Vec<Verdict>>;

    /// The source is gone: all its routes are withdrawn.
    ///
    /// # Errors
    /// As [`Feed::replace`].
    async fn gone(&self, source: SourceId, incarnation: Incarnation) -> Result<()>;

    /// The source's session is lost: its routes are stale for so long, and withdrawn then unless it
    /// is up again by then.
    ///
    /// # Errors
    /// As [`Feed::replace`].
    async fn away(&self, source: SourceId, incarnation: Incarnation, for_: Duration) -> Result<()>;

    /// How the routes of a destination stand: each source's, with the path id as text.
    ///
    /// # Errors
    /// As [`Feed::replace`].
    async fn standings(&self, of: Service) -> Result<Vec<(SourceId, String, Standing)>>;
}

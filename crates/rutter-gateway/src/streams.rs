//! Streams: TCP and UDP, passed on as they are.

mod config;

use std::sync::Arc;

use rutter_route::Service;

pub use config::StreamConfig;

use crate::routes::Routes;

/// The services that are no HTTP: where they are listened for, and how they are passed on.
#[derive(Debug, Default)]
pub(crate) struct Streams {}

impl Streams {
    /// Sets the routes of a service of TCP or UDP, best first; `None`: it is gone.
    pub(crate) fn set(&self, service: &Service, routes: Option<Arc<Routes>>) {
        let _ = (service, routes);
        todo!("H4")
    }
}

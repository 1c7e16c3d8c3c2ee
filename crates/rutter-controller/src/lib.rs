//! What a controller does, however it is asked: users and their names, registrations and their
//! leases, members and their keys, tokens, joining, and the restore at the start. No word of HTTP is in here; the APIs in
//! `rutter-api` translate to and from it.
//!
//! Invariants:
//! - what is acknowledged is in the registry, and was told to the table after that;
//! - a reserved or malformed name can't be claimed, whichever door is used;
//! - no route leads to an address that its registrant may not name ([`address`]);
//! - for one user there is one writer at a time;
//! - reads need neither disk nor database;
//! - nothing here asks for the time: it is an argument.
#![forbid(unsafe_code)]

pub mod address;
pub mod base36;
mod book_feed;
mod claim;
mod controller;
mod directory;
mod error;
mod feed;
mod locks;
mod made_user;
mod name;
mod refusals;
mod signature;
mod source;
mod speaker;

pub use book_feed::BookFeed;
pub use claim::{MAX_HEALTH_PATH, RouteClaim, ServiceLabel, health_check};
pub use controller::{
    Availability, Config, Controller, DomainClaim, Enrolled, Enrolment, JoinRequest, Joined,
    MAX_JOIN_TTL, MadeToken, NewApiToken, NewJoinToken, Registered, RegisteredRoute, Registration,
    RegistrationNumber, Resolved, ResolvedLease, Restored,
};
pub use error::{Error, Result};
pub use feed::{Feed, SourceSet};
pub use name::{MAX_NAME_LEN, NameError, RESERVED, parse_name, service_name};
pub use signature::{key_text, parse_key, verifies};
pub use source::{owner_of, source_of};
pub use speaker::Speaker;

#[cfg(test)]
mod tests;

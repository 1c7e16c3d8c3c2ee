//! Certificates from a CA that speaks ACME (RFC 8555): ordered, proven, kept and renewed.
//!
//! ```text
//!  schedule (what is due when) ◀── time ── task ──▶ order ── JWS over HTTPS ──▶ CA
//!                                            │        │                         │ validates
//!                                          store    served ◀── plain listener ◀─┤ HTTP-01
//!                                                     ▲─────── TLS listener  ◀──┘ TLS-ALPN-01
//! ```
//!
//! One task orders one certificate for all names; it begins when the listeners accept and ends with
//! them. What it changes for requests lies in [`served`]: answers to open challenges, and the
//! certificate, which goes before all others for the names in it.
//!
//! **A certificate stands until there is a better one.** An order that fails leaves it, is logged
//! with the CA's reason and counted, and is tried again after a minute, doubling up to six hours;
//! one that is overdue is still better than none.
//!
//! **Challenges.** HTTP-01 (RFC 8555 8.3) is answered on plain listeners, those that redirect among
//! them, before any look-up of a host, and only for tokens that are open now: with others' tokens a
//! request goes its way, so services may prove their names themselves. TLS-ALPN-01 (RFC 8737) is
//! answered within the handshake. DNS-01 is not there: it needs a provider's API and its key, and
//! wildcards need it, so those are refused.
//!
//! **Kept**: the account and the certificate with its key, one file each and replaced whole, by
//! whatever the program gives as [`AcmeStore`]. Rejected: a pair of files, which a crash can tear.

mod client;
mod config;
mod error;
mod issued;
mod order;
mod schedule;
mod served;
mod task;
#[cfg(test)]
mod tests;

pub use config::{AcmeChallenge, AcmeConfig, AcmeStore, LETS_ENCRYPT};
pub(crate) use served::{ACME_TLS, Served};
pub(crate) use task::{load, run};

//! What whole speakers tell each other: routes by policy, own claims and their ends, keys. Under
//! links that take room only as it is given, and signers that may fail or be late.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod claims;
mod net;
mod routes;
mod rules;

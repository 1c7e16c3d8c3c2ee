//! The protocol between whole speakers, and one speaker against neighbours that say anything:
//! spec/mpreg.md section 6 by case number, the original's measured flaws (P1 to P15) inverted, and
//! what issue 8 asks beside them. Real signatures, a clock that only the test moves.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod common;

mod claims;
mod forgery;
mod loss;
mod order;
mod routes;
mod signing;
mod stability;
mod trust;

/// What whole speakers tell each other: routes by policy, own claims and their ends, keys.
mod telling {
    mod claims;
    mod routes;
    mod rules;
}

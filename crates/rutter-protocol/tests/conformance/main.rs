//! The protocol between whole speakers, and one speaker against neighbours that say anything:
//! spec/mpreg.md section 6 by case number, the original's measured flaws (P1 to P15) inverted, and
//! what issue 8 asks beside them. Real signatures, a clock that only the test moves.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "helpers of tests, outside of tests, of which some wait for a case"
)]

mod common;

mod claims;
mod forgery;
mod loss;
mod order;
mod routes;
mod signing;
mod stability;
mod trust;

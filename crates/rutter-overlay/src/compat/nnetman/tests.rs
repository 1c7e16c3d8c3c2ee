//! The exchange over real sockets on loopback: the golden rows of the original's wire, certificates,
//! and what peers are told when.

mod certificates;
mod given;
mod golden;
mod schedule;

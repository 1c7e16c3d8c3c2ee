//! What a controller does, however it is asked.
#![forbid(unsafe_code)]

pub mod address;
pub mod base36;
mod name;
mod signature;

pub use name::{DomainName, MAX_NAME_LEN, NameError, RESERVED};
pub use signature::PublicKey;

#[cfg(test)]
mod tests;

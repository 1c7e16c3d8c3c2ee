//! What the cases are made with.

pub(crate) mod alone;
mod config;
mod keys;
pub(crate) mod net;
mod say;

pub(crate) use config::*;
pub(crate) use keys::*;
pub(crate) use say::*;

//! What the cases are made with.

pub(crate) mod alone;
pub(crate) mod net;
pub(crate) mod say;

pub(crate) use say::*;

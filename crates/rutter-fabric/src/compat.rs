//! Other systems' words for what the fabric is told.

pub mod mpreg;

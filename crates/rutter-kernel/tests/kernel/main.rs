//! The sink against a real kernel, in network namespaces that each test makes itself.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod namespace;
mod scene;
mod sink;
mod task;

//! Against a real kernel, in network namespaces that each test makes itself.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod namespace;
mod routes;
mod scene;
mod sink;
mod snat;
mod source;
mod sysctl;
mod talk;
mod task;
mod transit;
mod vxlan;

//! The sink against a real kernel, in network namespaces that each test makes itself.

mod namespace;
mod sink;

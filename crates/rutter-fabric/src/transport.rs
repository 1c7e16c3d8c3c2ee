//! Connections to neighbours: `rutter.v1` over TLS 1.3 in which both ends show a key of their cluster.

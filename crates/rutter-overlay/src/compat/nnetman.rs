//! n-netman: its configuration file, as the running original reads it.

pub mod config;

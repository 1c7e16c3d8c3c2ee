//! `rutter.v1`.
#![allow(missing_docs)]
tonic::include_proto!("rutter.v1");

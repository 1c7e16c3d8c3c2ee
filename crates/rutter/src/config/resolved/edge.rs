//! Who is let into a gateway, how, and which service a host asks for.

use std::net::IpAddr;
use std::path::PathBuf;

use rutter_route::Prefix;
use serde::Serialize;

use crate::config::Period;
use crate::config::raw::{Mode, Verdict};

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Acl {
    pub(crate) default: Verdict,
    pub(crate) allow_local: bool,
    pub(crate) allow: Vec<Prefix>,
    pub(crate) deny: Vec<Prefix>,
}

/// Whose PROXY headers are believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProxyProtocol {
    pub(crate) mode: Mode,
    pub(crate) trusted: Vec<Prefix>,
}

/// Whose client certificates are good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MtlsProfile {
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) system_roots: bool,
}

/// Streams of TCP and UDP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Streams {
    pub(crate) address: IpAddr,
    pub(crate) sni: bool,
    pub(crate) tcp_idle_timeout: Period,
    pub(crate) udp_idle_timeout: Period,
    pub(crate) max_udp_sessions: usize,
}

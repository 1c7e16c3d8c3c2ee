//! How a gateway passes on what it is asked, beyond where to.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ServiceName;

/// How a gateway passes on what it is asked. What stands at its default is done in the plain way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// Whether the upstream is asked without the service's path prefix.
    pub strips_prefix: bool,
    /// How connections to an upstream of HTTP are made.
    pub upstream: UpstreamOptions,
    /// How a folder's files are served.
    pub files: FileOptions,
    /// How a stream is passed on.
    pub stream: StreamOptions,
    /// Who of a group gets the next request.
    pub balance: BalanceOptions,
    /// The profile of client certificates, one of which a client must show for this service. A
    /// gateway that has no such profile serves nobody by the route.
    pub inbound_mtls_profile: Option<SmolStr>,
}

/// How connections to an upstream of HTTP are made. Defaults are the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamOptions {
    /// Whether its certificate goes unverified.
    pub no_tls_verify: bool,
    /// How long it may take to begin its answer.
    pub response_header_timeout: Option<Duration>,
    /// How many connections there may be at once, over all workers.
    pub max_connections: Option<u32>,
    /// Whether it isn't asked for compressed answers.
    pub no_compression: bool,
    /// The name that is asked for in TLS.
    pub server_name: TlsServerName,
    /// A file with the certificates that are trusted, instead of the system's.
    pub trusted_certificate: Option<SmolStr>,
    /// The files of the certificate that is shown, and of its key.
    pub client_certificate: Option<(SmolStr, SmolStr)>,
    /// The TLS versions that are spoken, lowest and highest; `None`: the gateway's.
    pub tls_versions: Option<(TlsVersion, TlsVersion)>,
}

/// The name that an upstream is asked for in TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsServerName {
    /// What the endpoint says; without that, the host that was asked for.
    #[default]
    Endpoint,
    /// The endpoint's host.
    Host,
    /// None.
    Off,
    /// This one.
    Named(ServiceName),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// 1.0.
    V1_0,
    /// 1.1.
    V1_1,
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}

/// How a folder's files are served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileOptions {
    /// The file for a folder, beginning with `/`.
    pub index: SmolStr,
    /// Whether the index stands for whatever is missing.
    pub is_spa: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { index: "/index.html".into(), is_spa: false }
    }
}

/// How a stream is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamOptions {
    /// Whether the upstream is told the client's address in a PROXY header, and in which form.
    pub proxy_header: Option<ProxyHeader>,
    /// Whether TLS ends in the gateway.
    pub terminates_tls: bool,
}

/// The forms of a PROXY header (HAProxy's `proxy-protocol.txt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyHeader {
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary.
    V2,
}

/// Who of a group gets the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BalanceOptions {
    /// How one is chosen.
    pub mode: BalanceMode,
    /// Whether a client stays with its member, by a cookie.
    pub is_sticky: bool,
    /// How long the cookie lasts; `None`: as long as the client's session.
    pub sticky_max_age: Option<Duration>,
}

/// How one of a group is chosen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum BalanceMode {
    /// One after the other, by weight.
    #[default]
    RoundRobin,
    /// Who has the fewest under way.
    LeastConnections,
    /// The client's address decides; when its member fails, the next by rendezvous.
    IpHash,
    /// The less busy of two drawn by lot.
    TwoChoices,
}

impl BalanceMode {
    /// The words for the modes, the original's first.
    pub const WORDS: [&'static str; 4] = ["round_robin", "least_conn", "ip_hash", "two_choices"];

    /// The mode as its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConnections => "least_conn",
            Self::IpHash => "ip_hash",
            Self::TwoChoices => "two_choices",
        }
    }

    /// The mode of a word, whose case and underscores don't count.
    pub fn of_word(word: &str) -> Option<Self> {
        match word.replace('_', "").to_ascii_lowercase().as_str() {
            "roundrobin" => Some(Self::RoundRobin),
            "leastconn" => Some(Self::LeastConnections),
            "iphash" => Some(Self::IpHash),
            "twochoices" => Some(Self::TwoChoices),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modes_word_is_found_in_any_case_and_with_or_without_underscores() {
        for word in BalanceMode::WORDS {
            let mode = BalanceMode::of_word(word).unwrap();
            assert_eq!(mode.as_str(), word);
            assert_eq!(BalanceMode::of_word(&word.replace('_', "").to_uppercase()), Some(mode));
        }
        assert_eq!(BalanceMode::of_word("random"), None);
    }
}

//! Next hops.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::parse::{name_type, serde_by_text};
use crate::{ClusterId, ParseError, ServiceName};

/// The number of a node, given in the order in which nodes came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

name_type! {
    /// The name of a peer or of a tunnel that is a next hop.
    HopName, "next hop name", 253, "-_.:@/"
}

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
    /// HTTP/2 without TLS, begun unasked (RFC 9113 3.3).
    H2c,
    /// A TCP stream.
    Tcp,
    /// UDP datagrams.
    Udp,
}

impl Scheme {
    /// The scheme as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// The host of an endpoint: an address, or a name that is looked up when it is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// An address.
    Address(IpAddr),
    /// A DNS name.
    Name(ServiceName),
}

impl FromStr for HostName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address));
        }
        text.parse()
            .map(Self::Name)
            .map_err(|_| ParseError::new("host", text, "an IP address or a DNS name"))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
            Self::Address(v4) => v4.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

serde_by_text!(HostName);

/// Where a service answers. As text `SCHEME://HOST:PORT`, with `?tls=NAME` behind it where the
/// name to ask for and verify in TLS is not the one that the client asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// The host.
    pub host: HostName,
    /// The port, 1 to 65535.
    pub port: u16,
    /// The server name for TLS (SNI and verification); `None`: the host that was asked for.
    pub tls_name: Option<ServiceName>,
}

impl FromStr for Endpoint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why: &str| ParseError::new("endpoint", text, why);
        let expected = "expected `SCHEME://HOST:PORT`, such as `http://127.0.0.1:3000`";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| error(expected))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "h2c" => Scheme::H2c,
            "tcp" => Scheme::Tcp,
            "udp" => Scheme::Udp,
            _ => return Err(error("the scheme is http, https, h2c, tcp or udp")),
        };
        let (authority, tls_name) = match rest.split_once("?tls=") {
            Some((authority, name)) => (authority, Some(name.parse()?)),
            None => (rest, None),
        };
        let (host, port) = authority.rsplit_once(':').ok_or_else(|| error(expected))?;
        let port = port.parse().ok().filter(|p| *p != 0);
        let port = port.ok_or_else(|| error("the port is a number from 1 to 65535"))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(error("an IPv6 address stands in brackets"));
        }
        Ok(Self { scheme, host: host.parse()?, port, tls_name })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)?;
        match &self.tls_name {
            Some(name) => write!(f, "?tls={name}"),
            None => Ok(()),
        }
    }
}

serde_by_text!(Endpoint);

/// A folder: an absolute path without `.` and `..`, in bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder(SmolStr);

impl Folder {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Folder {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |expected| ParseError::new("folder", text, expected);
        if !text.starts_with('/') {
            return Err(error("an absolute path"));
        }
        if text.contains('\0') || text.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(error("a path without `.` and `..`"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(Folder);

/// The next step towards a destination. As text: an address, an endpoint's URL, or `files:FOLDER`,
/// `node:12`, `peer:NAME`, `tunnel:NAME`, `cluster:NAME`, `discard`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// A router's address.
    Address(IpAddr),
    /// A service's endpoint.
    Endpoint(Endpoint),
    /// A folder on the gateway's machine, whose files are the answers.
    Files(Folder),
    /// A node of the mesh.
    Node(NodeId),
    /// A peer of an overlay.
    Peer(HopName),
    /// A tunnel.
    Tunnel(HopName),
    /// Another cluster; it resolves in `fabric`.
    Cluster(ClusterId),
    /// Traffic is dropped.
    Discard,
}

impl NextHop {
    /// Its address, where it has one that needn't be looked up.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Endpoint(endpoint) => match &endpoint.host {
                HostName::Address(address) => Some(*address),
                HostName::Name(_) => None,
            },
            _ => None,
        }
    }
}

impl FromStr for NextHop {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "discard" {
            return Ok(Self::Discard);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Some(folder) = text.strip_prefix("files:") {
            return folder.parse().map(Self::Files);
        }
        if text.contains("://") {
            return text.parse().map(Self::Endpoint);
        }
        let error = || {
            ParseError::new(
                "next hop",
                text,
                "an address, `SCHEME://HOST:PORT`, `files:FOLDER`, `node:ID`, `peer:NAME`, `tunnel:NAME`, \
                 `cluster:NAME` or `discard`",
            )
        };
        let (kind, name) = text.split_once(':').ok_or_else(error)?;
        match kind {
            "node" => name.parse().map(|n| Self::Node(NodeId(n))).map_err(|_| error()),
            "peer" => name.parse().map(Self::Peer),
            "tunnel" => name.parse().map(Self::Tunnel),
            "cluster" => name.parse().map(Self::Cluster),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Files(folder) => write!(f, "files:{folder}"),
            Self::Node(node) => write!(f, "node:{}", node.0),
            Self::Peer(name) => write!(f, "peer:{name}"),
            Self::Tunnel(name) => write!(f, "tunnel:{name}"),
            Self::Cluster(name) => write!(f, "cluster:{name}"),
            Self::Discard => f.write_str("discard"),
        }
    }
}

serde_by_text!(NextHop);

//! Who is let into a gateway, how, and which service a host asks for.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use rutter_route::{Prefix, ServiceName};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::Period;
use crate::config::section::{Described, Shape, section};

section! {
    /// Who may connect. Local addresses go first, then `deny`, then `allow`, then `default`.
    Acl {
        /// Whether those may whom no list names: `allow` or `deny`.
        default: Verdict = Is("allow"),
        /// Whether addresses of loopback, private networks and links may, whatever the lists say.
        allow_local: bool = Is("true"),
        /// Networks that may.
        allow: Vec<Prefix> = Is("[]"),
        /// Networks that may not.
        deny: Vec<Prefix> = Is("[]")
    }
}

section! {
    /// PROXY headers, by which a proxy before us tells a client's address.
    ProxyProtocol {
        /// `off`; `mixed`: who is trusted may send one; or `required`: everybody else is cut off.
        mode: Mode = Is("off"),
        /// Who is believed.
        trusted: Vec<Prefix> = Is("[]")
    }
}

section! {
    /// Whose client certificates are good; at least one of the two.
    MtlsProfile {
        /// PEM files of CAs.
        ca_files: Vec<PathBuf> = Is("[]"),
        /// The system's roots count as well.
        system_roots: bool = Is("false")
    }
}

section! {
    /// Streams of TCP and UDP.
    Streams {
        /// Where services listen that say a port and no address.
        address: IpAddr = Is("0.0.0.0"),
        /// Services of TCP that say no port are asked for on the HTTPS listener, by the name in the TLS
        /// handshake (SNI).
        sni: bool = Is("true"),
        /// How long nothing may move on a stream of TCP. `0s`: for ever.
        tcp_idle_timeout: Period = Is("1d"),
        /// How long nothing may move between a client of UDP and its upstream before the two are
        /// forgotten.
        udp_idle_timeout: Period = Is("1m"),
        /// Clients of UDP with an upstream at once, over all services; more are not served.
        max_udp_sessions: usize = Is("10000")
    }
}

/// What happens to those whom no list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// They may.
    #[default]
    Allow,
    /// They may not.
    Deny,
}

/// Whether PROXY headers are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// They aren't.
    #[default]
    Off,
    /// Trusted peers may send one.
    Mixed,
    /// Everybody must.
    Required,
}

/// Which hosts lead to a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hosts {
    /// Those of its name.
    #[default]
    Exact,
    /// Those whose first label is its name, too.
    AnyDomain,
    /// Its name under these.
    #[serde(untagged)]
    Domains(Vec<ServiceName>),
}

/// The host of short links; `None`: there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct ShortLinks(pub(crate) Option<ServiceName>);

impl Described for Verdict {
    fn shape() -> Shape {
        Shape::Value("`allow` or `deny`")
    }
}

impl Described for Mode {
    fn shape() -> Shape {
        Shape::Value("`off`, `mixed` or `required`")
    }
}

impl Described for Hosts {
    fn shape() -> Shape {
        Shape::Value("`exact`, `any_domain` or list of domains")
    }
}

impl Described for ShortLinks {
    fn shape() -> Shape {
        Shape::Value("host name or `off`")
    }
}

impl Described for IpAddr {
    fn shape() -> Shape {
        Shape::Value("address")
    }
}

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Hosts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`exact`, `any_domain` or a list of domains")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hosts, E> {
                match text {
                    "exact" => Ok(Hosts::Exact),
                    "any_domain" => Ok(Hosts::AnyDomain),
                    other => Err(E::unknown_variant(other, &["exact", "any_domain"])),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Hosts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Hosts::Domains)
            }
        }
        d.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for ShortLinks {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = ShortLinks;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a host name or `off`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ShortLinks, E> {
                match text {
                    "off" => Ok(ShortLinks(None)),
                    name => name.parse().map(|name| ShortLinks(Some(name))).map_err(E::custom),
                }
            }
            fn visit_bool<E: de::Error>(self, is: bool) -> Result<ShortLinks, E> {
                match is {
                    false => Ok(ShortLinks(None)),
                    true => Err(E::custom("expected a host name or `off`")),
                }
            }
        }
        d.deserialize_any(Either)
    }
}

//! A listener as it is written.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::section::{Described, Shape};

/// `ADDRESS:PORT`, `off`, or a map with both an address and TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// It doesn't listen.
    Off,
    /// It listens.
    At {
        /// Where.
        address: SocketAddr,
        /// How; `None`: as is usual for this listener.
        tls: Option<Tls>,
        /// What only listeners of the gateway have.
        traffic: Traffic,
    },
}

impl Listen {
    /// A listener with nothing said beside its address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::At { address, tls: None, traffic: Traffic::default() }
    }
}

/// What a listener for people's traffic may be told beside its address and TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Traffic {
    /// HTTP/2 by prior knowledge on a plain listener.
    pub(crate) h2c: bool,
    /// Everybody is sent to HTTPS.
    pub(crate) redirect: bool,
}

/// Where a plain listener sends everybody.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Redirect {
    Https,
}

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tls {
    /// Not at all.
    Off,
    /// By a certificate of the controller's CA.
    Own,
    /// By these files.
    Files(CertificateFiles),
}

/// A certificate chain and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub(crate) chain: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl Described for Listen {
    fn shape() -> Shape {
        Shape::Value("listener")
    }
}

impl Described for CertificateFiles {
    fn shape() -> Shape {
        Shape::Value("`{chain: FILE, key: FILE}`")
    }
}

impl Described for Vec<CertificateFiles> {
    fn shape() -> Shape {
        Shape::Value("list of `{chain: FILE, key: FILE}`")
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Listen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`ADDRESS:PORT`, `off` or `{address: ADDRESS:PORT, tls: ...}`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                match text {
                    "off" => Ok(Listen::Off),
                    text => address(text).map(Listen::at),
                }
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Listen, E> {
                // `off` is a boolean to some who write YAML, and `false` means it.
                match on {
                    false => Ok(Listen::Off),
                    true => Err(E::custom("expected an address such as `127.0.0.1:7070`")),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listen, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Long {
                    address: Address,
                    #[serde(default)]
                    tls: Option<Tls>,
                    #[serde(default)]
                    h2c: bool,
                    #[serde(default)]
                    redirect: Option<Redirect>,
                }
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                let redirect = matches!(long.redirect, Some(Redirect::Https));
                let traffic = Traffic { h2c: long.h2c, redirect };
                Ok(Listen::At { address: long.address.0, tls: long.tls, traffic })
            }
        }
        d.deserialize_any(Either)
    }
}

struct Address(SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        address(&text).map(Self)
    }
}

fn address<E: de::Error>(text: &str) -> Result<SocketAddr, E> {
    text.parse().map_err(|_| {
        E::custom(format!(
            "`{text}` is not an address to listen on: expected `ADDRESS:PORT`, such as \
             `127.0.0.1:7070` or `[::1]:7070`"
        ))
    })
}

impl<'de> Deserialize<'de> for Tls {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Tls;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`own`, `off` or `{chain: FILE, key: FILE}`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Tls, E> {
                match text {
                    "own" => Ok(Tls::Own),
                    "off" => Ok(Tls::Off),
                    other => Err(E::unknown_variant(other, &["own", "off"])),
                }
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Tls, E> {
                Ok(if on { Tls::Own } else { Tls::Off })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tls, A::Error> {
                CertificateFiles::deserialize(MapAccessDeserializer::new(map)).map(Tls::Files)
            }
        }
        d.deserialize_any(Either)
    }
}

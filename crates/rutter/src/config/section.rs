//! What a section of the file is: its keys, each with its words, its type and its default, in
//! one place.
//!
//! The [`section!`] macro makes of one list of keys both the type that is read (every key may be
//! left out, unknown ones are refused) and the description that `docs/config.md` is made from. So
//! a key can't be without words, and words can't be without a key. The default is written as it
//! would be in the file, and a test reads it back: what the page says happens, happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use rutter_route::{
    ClusterId, DestinationKind, HostName, Prefix, ServiceName, SinkMode, TableName,
};
use serde::{Deserialize, Deserializer, de};

use super::Period;

/// What a value looks like.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// One value, and what it is.
    Value(&'static str),
    /// Keys of its own.
    Section(Section),
    /// Names that people give, each with a section.
    Named(&'static str, Section),
    /// A list of sections.
    List(Section),
}

/// A section.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) about: &'static str,
    pub(crate) keys: Vec<Key>,
}

/// A key of a section.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) default: Preset,
    pub(crate) shape: Shape,
}

/// What holds where a key is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// This value, as the file would say it.
    Is(&'static str),
    /// What the words say.
    Says(&'static str),
    /// Nothing: it must be written.
    Required,
}

pub(crate) use Preset::{Is, Required, Says};

/// A type that a key may have.
pub(crate) trait Described: Sized {
    fn shape() -> Shape;

    /// What a key with nothing behind it means; `None`: that something is missing. A section's
    /// name alone is the section with all its defaults, so `gateway:` switches the gateway on.
    fn nothing() -> Option<Self> {
        None
    }
}

/// Reads a key that stands there.
pub(super) fn given<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
where
    T: Described + Deserialize<'de>,
    D: Deserializer<'de>,
{
    match Option::<T>::deserialize(d)? {
        Some(value) => Ok(Some(value)),
        None => match T::nothing() {
            Some(value) => Ok(Some(value)),
            None => Err(de::Error::custom("there is nothing behind this key: write a value")),
        },
    }
}

/// Declares a section; see the module's head.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $( $(#[doc = $doc:literal])+ $key:ident : $type:ty = $default:expr ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name {
            $(
                $(#[doc = $doc])+
                #[serde(deserialize_with = "crate::config::section::given")]
                pub(crate) $key: Option<$type>,
            )+
        }

        impl $crate::config::section::Described for $name {
            fn shape() -> $crate::config::section::Shape {
                $crate::config::section::Shape::Section($name::section())
            }

            fn nothing() -> Option<Self> {
                Some(Self::default())
            }
        }

        impl $name {
            /// The section's keys.
            pub(crate) fn section() -> $crate::config::section::Section {
                #[allow(unused_imports)]
                use $crate::config::section::{Is, Required, Says};
                $crate::config::section::Section {
                    about: concat!($($about, "\n"),+),
                    keys: vec![$(
                        $crate::config::section::Key {
                            name: stringify!($key),
                            about: concat!($($doc, "\n"),+),
                            default: $default,
                            shape: <$type as $crate::config::section::Described>::shape(),
                        }
                    ),+],
                }
            }
        }
    };
}
pub(super) use section;

macro_rules! value {
    ($($type:ty: $what:literal),+ $(,)?) => {
        $(impl Described for $type {
            fn shape() -> Shape {
                Shape::Value($what)
            }
        })+
    };
}

value! {
    Period: "duration",
    ServiceName: "host name",
    HostName: "address or host name",
    ClusterId: "name",
    TableName: "name of a table",
    DestinationKind: "`service`, `prefix` or `cluster`",
    PathBuf: "path",
    String: "text",
    SocketAddr: "address and port",
    Vec<std::net::IpAddr>: "list of addresses",
    Prefix: "network",
    bool: "`true` or `false`",
    SinkMode: "`act` or `observe`",
    u32: "number",
    u64: "number",
    usize: "number",
    Vec<Prefix>: "list of networks",
    Vec<ServiceName>: "list of host names",
    Vec<PathBuf>: "list of paths",
    Vec<String>: "list of texts",
    Vec<u32>: "list of numbers",
    rutter_gateway::AcmeChallenge: "`http-01` or `tls-alpn-01`",
    rutter_gateway::CheckMethod: "`HEAD` or `GET`",
    rutter_gateway::StatusRange: "statuses",
    rutter_rib::Policy: "policy, see below",
    rutter_rib::OnWithdraw: "`clear` or `keep`",
    rutter_rib::Rules: "list of rules, see below",
    rutter_rib::HopKind: "kind of next hop, see below",
}

/// Sections in a list, and under names.
macro_rules! sections {
    ($($type:ty),+ $(,)?) => {
        $(
            impl Described for Vec<$type> {
                fn shape() -> Shape {
                    Shape::List(<$type>::section())
                }
                fn nothing() -> Option<Self> {
                    Some(Self::new())
                }
            }
            impl Described for BTreeMap<TableName, $type> {
                fn shape() -> Shape {
                    Shape::Named("NAME", <$type>::section())
                }
                fn nothing() -> Option<Self> {
                    Some(Self::new())
                }
            }
        )+
    };
}

/// Sections under names that people give.
macro_rules! named {
    ($($type:ty: $name:literal),+ $(,)?) => {
        $(impl Described for BTreeMap<String, $type> {
            fn shape() -> Shape {
                Shape::Named($name, <$type>::section())
            }
            fn nothing() -> Option<Self> {
                Some(Self::new())
            }
        })+
    };
}

named!(
    super::raw::DockerEngine: "NAME",
    super::raw::MtlsProfile: "PROFILE",
);

sections!(
    super::raw::AgentProbe,
    super::raw::OverlayBridge,
    super::raw::OverlayNetwork,
    super::raw::OverlayPeer,
    super::raw::ProxmoxCluster,
    super::raw::Table,
    super::raw::TableFeed,
    super::raw::TableResolve,
);

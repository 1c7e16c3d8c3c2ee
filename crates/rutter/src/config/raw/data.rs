//! The data directory as it is written.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use crate::config::section::{Described, Shape};

/// A directory, or `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nothing is kept.
    Off,
    /// It is kept there.
    In(PathBuf),
}

impl Described for Data {
    fn shape() -> Shape {
        Shape::Value("path")
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = Data;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a directory or `off`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Data, E> {
                match text {
                    "off" => Ok(Data::Off),
                    path => Ok(Data::In(path.into())),
                }
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Data, E> {
                // `off` is a boolean to some who write YAML, and `false` means it.
                match on {
                    false => Ok(Data::Off),
                    true => Err(E::custom("expected a directory such as `/var/lib/rutter`")),
                }
            }
        }
        d.deserialize_any(Either)
    }
}

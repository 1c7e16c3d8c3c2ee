//! Where things stand in a file.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::Spot;
use crate::reader::{self, Dialect};

/// The places of all keys and list entries of a file.
#[derive(Debug, Default)]
pub struct Positions(Option<Spanned<Node>>);

#[derive(Debug)]
pub(crate) enum Node {
    Scalar,
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl Positions {
    /// Those of a text that was read before.
    pub fn of(text: &str, dialect: Dialect) -> Self {
        // The text was read before, so an error is impossible; places would just not be shown.
        Self(serde_saphyr::from_str_with_options(text, reader::options(dialect, text.len())).ok())
    }

    /// The whole file.
    pub(crate) fn top(&self) -> Option<&Node> {
        self.0.as_ref().map(|top| &top.value)
    }

    /// The place of a path, or of the longest part of it that was written: a problem with what is
    /// missing points at where it is missing.
    pub fn find(&self, path: &[String]) -> Option<Spot> {
        let mut node = self.0.as_ref()?;
        let mut found = reader::spot(node.referenced);
        for step in path {
            let (place, next) = match &node.value {
                Node::Scalar => break,
                Node::Map(entries) => {
                    let Some((key, value)) = entries.iter().find(|(key, _)| key.value == *step)
                    else {
                        break;
                    };
                    (key.referenced, value)
                }
                Node::List(entries) => {
                    let Some(entry) = step.parse().ok().and_then(|n: usize| entries.get(n)) else {
                        break;
                    };
                    (entry.referenced, entry)
                }
            };
            found = reader::spot(place).or(found);
            node = next;
        }
        // A value says more than its key, where there is one on a line of its own.
        match node.value {
            Node::Scalar => reader::spot(node.referenced).or(found),
            Node::List(_) | Node::Map(_) => found,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Node, D::Error> {
        Node::deserialize(d)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_element()? {
            all.push(entry);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            all.push(entry);
        }
        Ok(Node::Map(all))
    }
}

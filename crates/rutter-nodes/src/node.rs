//! Tags, and which node a source is.

use rutter_route::{NodeId, ParseError, SourceId, Tag};

use crate::names::is_word;

/// Reads a tag as policy writes it: `tag:NAME`. The prefix is part of the tag.
///
/// # Errors
/// Anything else.
pub fn parse_tag(text: &str) -> Result<Tag, ParseError> {
    if !text.strip_prefix("tag:").is_some_and(is_word) {
        return Err(ParseError::new("tag", text, "`tag:` and 1 to 63 of `a-zA-Z0-9-_.`"));
    }
    text.parse()
}

/// The node that a source is, if it is one.
pub(crate) fn node_of(source: &SourceId) -> Option<NodeId> {
    let is_node = source.kind() == rutter_route::SourceKind::Node;
    is_node.then(|| source.name().parse().ok().map(NodeId)).flatten()
}

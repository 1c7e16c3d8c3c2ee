//! Path ids of relayed routes: (first source, its path id) as one text.
//!
//! The teller is one source of the receiving table, so what decides last there between routes that
//! are alike is the path id alone. It is therefore written so that texts compare as the pairs do:
//! both ends rank alike.
//!
//! ```text
//!   b 1alice␣␣http 127.0.0.1:80
//!   │ │      │ └ the path id, as it is
//!   │ │      └ two spaces end the name
//!   │ └ 0 and the number of digits, or 1, and the name
//!   └ the kind, by its place in the order of kinds
//! ```
//! (without the space after the kind). A space in a name becomes a space and `!`, which still
//! comes before whatever else may stand there and never looks like the end.

use rutter_route::{ParseError, PathId, RouteKey, SourceId, SourceKind};

const END: &str = "  ";

/// See [`super::path_of`].
///
/// # Errors
/// Source and path id are longer together than a path id may be: 255 bytes, of which this form
/// needs four or six, and one for each space in the source's name.
pub(super) fn encode(route: &RouteKey) -> Result<PathId, ParseError> {
    let name = route.source.name();
    let place = SourceKind::ALL.iter().position(|k| *k == route.source.kind()).unwrap_or_default();
    // Ten kinds: a letter is enough for each.
    let kind = char::from(b'a' + place as u8);
    let name = if is_number(name) {
        format!("0{:02}{name}", name.len())
    } else {
        format!("1{}", name.replace(' ', " !"))
    };
    format!("{kind}{name}{END}{}", route.path).parse()
}

/// The route that a path id stands for; `None` if `encode` never gave it.
pub(super) fn decode(path: &PathId) -> Option<RouteKey> {
    let text = path.as_str();
    let mut letters = text.chars();
    let place = usize::from(u8::try_from(letters.next()?).ok()?.checked_sub(b'a')?);
    let kind = *SourceKind::ALL.get(place)?;
    let form = letters.next()?;
    let (name, path) = letters.as_str().split_once(END)?;
    let name = match form {
        '0' => name.get(2..)?.to_owned(),
        '1' => name.replace(" !", " "),
        _ => return None,
    };
    Some(RouteKey { source: SourceId::new(kind, &name).ok()?, path: path.parse().ok()? })
}

/// Names that compare as numbers, and come before all others.
fn is_number(name: &str) -> bool {
    name.parse::<u64>().is_ok_and(|n| n.to_string() == name)
}

#[cfg(test)]
mod tests;

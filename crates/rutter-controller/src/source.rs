//! How a user's sources are named in a table.

use rutter_registry::{SourceName, UserId};
use rutter_route::{OwnerId, ParseError, SourceId, SourceKind};

/// The source as the table knows it: `agent/UID`, `tunnel/UID`, and `provider/NAME:UID` for any
/// other name. In that last form `:` and `%` of the name are percent-encoded, since user ids may
/// have a `:` and two pairs must never make one source.
///
/// # Errors
/// When an odd name and a long user id together are over [`SourceId::MAX_LEN`].
pub fn source_of(user: &UserId, name: &SourceName) -> Result<SourceId, ParseError> {
    match name.as_str() {
        "agent" => SourceId::new(SourceKind::Agent, user.as_str()),
        "tunnel" => SourceId::new(SourceKind::Tunnel, user.as_str()),
        other => {
            let name = other.replace('%', "%25").replace(':', "%3A");
            SourceId::new(SourceKind::Provider, &format!("{name}:{user}"))
        }
    }
}

/// The user as the owner of its sources: bytes that an [`OwnerId`] doesn't take are
/// percent-encoded, and `%` itself, so that two users are never one owner.
///
/// # Errors
/// Never for a valid user id, whose 400 bytes fit thrice; the type asks for it.
pub fn owner_of(user: &UserId) -> Result<OwnerId, ParseError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@+=|~!$&'()*,; ".contains(&b);
    let mut escaped = String::with_capacity(user.as_str().len());
    for byte in user.as_str().bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(hex_digit));
        }
    }
    escaped.parse()
}

fn hex_digit(value: u8) -> char {
    // Always a digit: the caller gives four bits.
    char::from_digit(u32::from(value), 16).map_or('0', |c| c.to_ascii_uppercase())
}

#[cfg(test)]
mod tests;

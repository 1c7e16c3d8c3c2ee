//! Bytes as lower-case hex, and back; also where something is written down as JSON for people and
//! replays: `#[serde(with = "rutter_protocol::hex")]`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::ser::Serializer;

/// Two digits a byte.
pub fn encode(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes, if `text` is nothing but pairs of hex digits, of either case.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, d| byte << 4 | d)).collect())
}

/// Exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

/// For serde.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&encode(bytes.as_ref()))
}

/// For serde.
///
/// # Errors
/// What isn't hex digits, or not as many as there have to be.
pub fn deserialize<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<Vec<u8>>,
{
    from.deserialize_str(Digits(PhantomData))
}

struct Digits<T>(PhantomData<T>);

impl<T: TryFrom<Vec<u8>>> Visitor<'_> for Digits<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two hex digits a byte")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let bytes = decode(text).and_then(|bytes| T::try_from(bytes).ok());
        bytes.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

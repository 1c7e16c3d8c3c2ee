//! Reading and writing the primitives: varints in shortest form, texts, bounds.
//!
//! An integer is a LEB128 varint: seven bits a byte, the least first, the eighth bit says that more
//! follow. A text is its length as a varint and its bytes. What is fixed in size (keys, signatures,
//! nonces) stands as it is. Nothing is aligned or padded, and there is one way to write each value:
//! a varint that could be shorter is refused.
//!
//! *Rejected*: protobuf, as on the link below. It has many encodings of one value, so signatures
//! would have to cover a second form, and its decoder allocates each field.

use std::str::FromStr;

use bytes::BufMut;

/// What can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: expected {expected}")]
pub struct Malformed {
    /// At which byte.
    pub at: usize,
    /// What should have been there.
    pub expected: &'static str,
}

/// What is left to be read.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: bytes.len() }
    }

    /// Which byte is read next.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.whole - self.rest.len()
    }

    /// How many bytes are left.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// What stands at the next byte isn't what should.
    #[cold]
    pub(super) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { at: self.at(), expected }
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("the end")) }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(self.malformed("another byte"));
        };
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            return Err(self.malformed("more bytes"));
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.malformed("more bytes"));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// A varint of 64 bits at most, in its shortest form.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let before = self.clone();
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // A last byte of 0 adds nothing; of the tenth only one bit is left.
                if byte == 0 || (shift == 63 && byte > 1) {
                    break;
                }
                return Ok(value);
            }
        }
        Err(before.malformed("a varint of 64 bits in its shortest form"))
    }

    /// A varint within a bound.
    #[inline]
    pub(super) fn up_to(&mut self, most: u64, expected: &'static str) -> Result<u64, Malformed> {
        let before = self.clone();
        let value = self.varint()?;
        if value > most { Err(before.malformed(expected)) } else { Ok(value) }
    }

    /// A count of things that take `least` bytes each or more: never more than could follow, so
    /// what is reserved for them is in proportion to what was sent.
    #[inline]
    pub(super) fn count(
        &mut self,
        most: usize,
        least: usize,
        expected: &'static str,
    ) -> Result<usize, Malformed> {
        let before = self.clone();
        let n = self.up_to(most as u64, expected)? as usize;
        if n.saturating_mul(least) > self.left() { Err(before.malformed(expected)) } else { Ok(n) }
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.up_to(u64::from(u32::MAX), "a number of 32 bits").map(|n| n as u32)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.up_to(u64::from(u16::MAX), "a number of 16 bits").map(|n| n as u16)
    }

    /// A text of `most` bytes at most.
    #[inline]
    pub(super) fn text(
        &mut self,
        most: usize,
        expected: &'static str,
    ) -> Result<&'a str, Malformed> {
        let before = self.clone();
        let n = self.up_to(most as u64, expected)? as usize;
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map_err(|_| before.malformed(expected))
    }

    /// A text that is a name of some kind. A type whose texts have one form each: what was read
    /// is written as the same bytes.
    #[inline]
    pub(super) fn name<T: FromStr>(&mut self, expected: &'static str) -> Result<T, Malformed> {
        let before = self.clone();
        let text = self.text(MAX_NAME, expected)?;
        text.parse().map_err(|_| before.malformed(expected))
    }
}

/// The longest name of any kind, in bytes: of clusters, tables, tags and path ids.
pub(super) const MAX_NAME: usize = 255;

#[inline]
pub(super) fn put_varint(to: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        to.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    to.put_u8(value as u8);
}

#[inline]
pub(super) fn put_text(to: &mut impl BufMut, text: &str) {
    put_varint(to, text.len() as u64);
    to.put_slice(text.as_bytes());
}

/// The longest beginning of a text within a bound that ends between two characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

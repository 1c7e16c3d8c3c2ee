//! The Binding request and its answer on the wire (RFC 8489 5, 14). No I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const MAGIC_COOKIE: u32 = 0x2112_A442;
const HEADER: usize = 20;

const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes up to here are known from RFC 3489, and old servers still send some of them.
const LAST_LEGACY: u16 = 0x000B;
/// Of credentials, which an answer to a question without them may ask for: REALM, NONCE,
/// MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH (RFC 8489 18.3).
const CREDENTIALS: [u16; 5] = [0x0014, 0x0015, 0x001C, 0x001D, 0x001E];
/// From here on an attribute that isn't understood is passed over (RFC 8489 14).
const FIRST_OPTIONAL: u16 = 0x8000;

/// One question: its transaction id, 96 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transaction([u8; 12]);

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The address that the server saw.
    Address(IpAddr),
    /// An error by its code, 300 to 699.
    Error(u16),
}

impl Transaction {
    /// A new question.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; 12];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }

    /// The request: a header alone.
    pub(super) fn request(&self) -> [u8; HEADER] {
        let mut message = [0; HEADER];
        let (head, id) = message.split_at_mut(8);
        head[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
        head[4..].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        id.copy_from_slice(&self.0);
        message
    }

    /// Reads a datagram as the answer to this question.
    ///
    /// # Errors
    /// Why it is none. Such a datagram may be anyone's and says nothing about the question.
    pub(super) fn read(&self, datagram: &[u8]) -> Result<Answer, &'static str> {
        let (header, mut rest) =
            datagram.split_at_checked(HEADER).ok_or("shorter than a header")?;
        let kind = u16_at(header, 0).ok_or("shorter than a header")?;
        if header.get(4..8) != Some(&MAGIC_COOKIE.to_be_bytes()) {
            return Err("without the magic cookie");
        }
        if header.get(8..) != Some(&self.0) {
            return Err("of another transaction");
        }
        if u16_at(header, 2).map(usize::from) != Some(rest.len()) || rest.len() % 4 != 0 {
            return Err("of another length than it says");
        }
        let (mut xored, mut plain, mut error) = (None, None, None);
        while !rest.is_empty() {
            let (attribute, value, after) = take_attribute(rest)?;
            match attribute {
                // The first of a kind counts (RFC 8489 14).
                XOR_MAPPED_ADDRESS => xored = xored.or(Some(self.address(value, true)?)),
                MAPPED_ADDRESS => plain = plain.or(Some(self.address(value, false)?)),
                ERROR_CODE => error = error.or(Some(error_code(value)?)),
                other if must_be_understood(other) => {
                    return Err("with an unknown attribute that must be understood");
                }
                _ => {}
            }
            rest = after;
        }
        match kind {
            BINDING_SUCCESS => {
                xored.or(plain).map(Answer::Address).ok_or("without a mapped address")
            }
            BINDING_ERROR => error.map(Answer::Error).ok_or("an error without a code"),
            _ => Err("no answer to a binding request"),
        }
    }

    /// An address attribute (RFC 8489 14.1, 14.2): family, port, address; XORed with the cookie,
    /// and beyond 32 bits with the transaction id.
    fn address(&self, value: &[u8], xored: bool) -> Result<IpAddr, &'static str> {
        let mut mask = [0; 16];
        if xored {
            let (cookie, id) = mask.split_at_mut(4);
            cookie.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            id.copy_from_slice(&self.0);
        }
        let bytes = value.get(4..).ok_or("with a short address")?;
        match (value.get(1), bytes.len()) {
            (Some(1), 4) => {
                let mut v4 = [0; 4];
                unmask(&mut v4, bytes, &mask);
                Ok(Ipv4Addr::from(v4).into())
            }
            (Some(2), 16) => {
                let mut v6 = [0; 16];
                unmask(&mut v6, bytes, &mask);
                Ok(Ipv6Addr::from(v6).into())
            }
            _ => Err("with an address of an unknown family or a wrong length"),
        }
    }
}

fn unmask(into: &mut [u8], bytes: &[u8], mask: &[u8]) {
    for ((out, byte), mask) in into.iter_mut().zip(bytes).zip(mask) {
        *out = byte ^ mask;
    }
}

/// The first attribute: its type, its value, and what follows its padding to four bytes.
fn take_attribute(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), &'static str> {
    let cut = "with an attribute cut short";
    let kind = u16_at(bytes, 0).ok_or(cut)?;
    let length = usize::from(u16_at(bytes, 2).ok_or(cut)?);
    let value = bytes.get(4..4 + length).ok_or(cut)?;
    let after = bytes.get(4 + length.next_multiple_of(4)..).ok_or(cut)?;
    Ok((kind, value, after))
}

/// Whether an attribute that isn't read here makes the answer unusable.
fn must_be_understood(attribute: u16) -> bool {
    attribute > LAST_LEGACY && attribute < FIRST_OPTIONAL && !CREDENTIALS.contains(&attribute)
}

/// Class and number of an error (RFC 8489 14.8).
fn error_code(value: &[u8]) -> Result<u16, &'static str> {
    match value {
        [_, _, class, number, ..] => Ok(u16::from(class & 7) * 100 + u16::from(*number)),
        _ => Err("with a short error code"),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

#[cfg(test)]
mod tests;

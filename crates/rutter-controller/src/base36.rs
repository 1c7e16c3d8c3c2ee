//! Multibase base36: how Mesh Router writes keys and signatures.
//!
//! The text is the letter `k` and then the bytes read as one big-endian number in base 36, digits
//! `0-9a-z`, with one `0` in front for each leading zero byte. So the length of the text says
//! nothing certain about the length of the bytes, and nothing here judges by it. Case matters:
//! multibase gives upper case its own prefix (`K`), which Mesh Router's library refuses.
//!
//! Written by hand because the algorithm is thirty lines and the crates for it bring an alphabet
//! registry; decoding is quadratic in the bytes, so [`decode`] is told how many it may make and
//! stops there: a long text costs no more than a short one.

/// Why a text is not base36. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Base36Error {
    /// The text does not begin with `k`.
    #[error("a base36 text begins with `k`")]
    Prefix,
    /// A character that is not a digit of base 36 in lower case.
    #[error("a base36 text has only the digits 0-9 and a-z behind its `k`")]
    Digit,
    /// It stands for more bytes than were asked for.
    #[error("the base36 text stands for more than {0} bytes")]
    TooLong(usize),
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let n_zeros = bytes.iter().take_while(|b| **b == 0).count();
    // Digits of the number, least significant first.
    let mut digits: Vec<u8> = Vec::with_capacity(bytes.len() * 8 / 5 + 1);
    for byte in bytes.iter().skip(n_zeros) {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 36) as u8;
            carry /= 36;
        }
        while carry > 0 {
            digits.push((carry % 36) as u8);
            carry /= 36;
        }
    }
    let mut text = String::with_capacity(1 + n_zeros + digits.len());
    text.push('k');
    text.extend(std::iter::repeat_n('0', n_zeros));
    text.extend(
        digits.iter().rev().filter_map(|d| DIGITS.get(usize::from(*d))).map(|d| *d as char),
    );
    text
}

/// The bytes that a text stands for, `max_bytes` at most.
///
/// # Errors
/// [`Base36Error`] says which rule the text breaks.
pub fn decode(text: &str, max_bytes: usize) -> Result<Vec<u8>, Base36Error> {
    let digits = text.strip_prefix('k').ok_or(Base36Error::Prefix)?;
    let n_zeros = digits.bytes().take_while(|d| *d == b'0').count();
    // Bytes of the number, least significant first.
    let mut bytes: Vec<u8> = Vec::with_capacity(max_bytes.min(64));
    for digit in digits.bytes().skip(n_zeros) {
        let mut carry = u32::from(value_of(digit)?);
        for byte in &mut bytes {
            carry += u32::from(*byte) * 36;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry as u8); // Below 36, since a byte times 36 plus the carry is below 36 * 256.
        }
        if bytes.len() > max_bytes {
            return Err(Base36Error::TooLong(max_bytes));
        }
    }
    if bytes.len() + n_zeros > max_bytes {
        return Err(Base36Error::TooLong(max_bytes));
    }
    bytes.extend(std::iter::repeat_n(0, n_zeros));
    bytes.reverse();
    Ok(bytes)
}

fn value_of(digit: u8) -> Result<u8, Base36Error> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'z' => Ok(digit - b'a' + 10),
        _ => Err(Base36Error::Digit),
    }
}

#[cfg(test)]
mod tests;

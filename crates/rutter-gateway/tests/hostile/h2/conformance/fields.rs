//! Header compression: RFC 7541.
// tidy: a table of data

use super::super::wire::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, HOST, SETTINGS, WHOLE, field, frame, number,
    pseudo, remembered, setting, text,
};
use super::case::{COMPRESSION_ERROR, Case, Must, Who, case, connection, served};

/// A head of a `GET` and these bytes behind it.
fn and(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), bytes.as_ref().to_vec()].concat())
}

/// These bytes and a head of a `GET` behind them.
fn before(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, [bytes.as_ref().to_vec(), pseudo("GET", "/x")].concat())
}

/// Method, scheme and path by their index, the authority by its name's.
fn indexed(authority: &[u8]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, [&[0x82, 0x86, 0x84], authority].concat())
}

#[rustfmt::skip] // One case a line.
pub(super) fn cases() -> Vec<Case> {
    let bad = || connection(COMPRESSION_ERROR);
    let authority = || [vec![0x41], text(HOST)].concat();
    let table_of_0 = || frame(SETTINGS, 0, 0, setting(1, 0));
    let cases = vec![
        case("7541 2.3.2", "the dynamic table holds from one request to the next", &[
            frame(HEADERS, WHOLE, 1, [vec![0x82, 0x86, 0x84], authority()].concat()), frame(HEADERS, WHOLE, 3, [0x82, 0x86, 0x84, 0xbe])], Must::Answer(3, 200..=200)),
        case("7541 2.3.3", "an index of neither table", &[and([0xff, 0x00])], bad()),
        case("7541 2.3.3", "the first index of an empty dynamic table", &[and([0xbe])], bad()),
        case("7541 2.3.3", "a name's index of neither table", &[and([vec![0x7f, 0x00], text("b")].concat())], bad()),
        case("7541 2.3.3", "a name's index that isn't there, without remembering", &[and([vec![0x0f, 0x60], text("b")].concat())], bad()),
        case("7541 4.1", "a field larger than the table empties it", &[
            frame(HEADERS, WHOLE, 1, [vec![0x82, 0x86, 0x84], authority(), remembered("a", "b".repeat(5_000))].concat()), frame(HEADERS, WHOLE, 3, [0x82, 0x86, 0x84, 0xbe])], bad()),
        case("7541 4.2", "a change of the table's size before a head", &[before(number(0x20, 5, 100))], served()),
        case("7541 4.2", "two changes of the table's size before a head", &[before([number(0x20, 5, 0), number(0x20, 5, 4096)].concat())], served()),
        case("7541 4.2", "a change of the table's size behind a field", &[and(number(0x20, 5, 100))], bad()),
        case("7541 4.2", "a table of 0 forgets all", &[
            frame(HEADERS, WHOLE, 1, [vec![0x82, 0x86, 0x84], authority()].concat()), frame(HEADERS, WHOLE, 3, [0x20, 0x82, 0x86, 0x84, 0xbe])], bad())
            .but(Who::HaProxy, Must::Answer(3, 200..=200), "HAProxy 2.6 checks the bound of a change and makes none"),
        case("7541 4.3", "fields that were pushed out are forgotten", &[
            frame(HEADERS, WHOLE, 1, [vec![0x82, 0x86, 0x84], authority(), remembered("a", "b".repeat(4_040))].concat()), frame(HEADERS, WHOLE, 3, [0x82, 0x86, 0x84, 0xbf])], bad()),
        case("7541 5.1", "a number of more than 32 bits", &[and([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])], bad()),
        case("7541 5.1", "a number that doesn't end", &[and([0xff, 0x80])], bad()),
        case("7541 5.1", "a number with zeros behind it", &[and([0x0f, 0x80, 0x80, 0x00, 0x01, b'b'])], served()).or(bad()),
        case("7541 5.2", "a string longer than the block", &[and([0x00, 0x01, b'a', 0x7e, b'b'])], bad()),
        case("7541 5.2", "a name longer than the block", &[and([0x00, 0x7f, 0x20, b'a'])], bad()),
        case("7541 5.2", "a string of Huffman's code", &[indexed(&[&[0x41][..], &huffman_alice()].concat())], served()),
        case("7541 5.2", "padding of more than seven bits", &[and([0x00, 0x01, b'a', 0x82, 0x1f, 0xff])], bad()),
        case("7541 5.2", "padding that isn't ones", &[and([0x00, 0x01, b'a', 0x81, 0x18])], bad()),
        case("7541 5.2", "the end of string in a string", &[and([0x00, 0x01, b'a', 0x84, 0xff, 0xff, 0xff, 0xff])], bad()),
        case("7541 5.2", "an empty value", &[and(field("a", ""))], served()),
        case("7541 5.2", "an empty string of Huffman's code", &[and([0x00, 0x01, b'a', 0x80])], served()),
        case("7541 6.1", "an index of 0", &[and([0x80])], bad()),
        case("7541 6.1", "fields of the static table", &[indexed(&authority())], served()),
        case("7541 6.1", "a field of the static table without a value", &[and([0x8f + 1])], served()),
        case("7541 6.2.1", "a field that is remembered", &[and(remembered("a", "b"))], served()),
        case("7541 6.2.1", "a value behind a name of the static table", &[and([vec![0x7a - 0x20], text("b")].concat())], served()),
        case("7541 6.2.2", "a field that isn't remembered", &[and(field("a", "b"))], served()),
        case("7541 6.2.3", "a field that nobody may remember", &[and([vec![0x10], text("a"), text("b")].concat())], served()),
        case("7541 6.2.3", "a value that nobody may remember behind a known name", &[and([vec![0x1f, 0x0a], text("b")].concat())], served()),
        case("7541 6.3", "a size over the setting", &[before(number(0x20, 5, 4097))], bad()),
        case("7541 6.3", "a size far over the setting", &[before(number(0x20, 5, 1 << 24))], bad()),
        case("9113 4.3", "a block that ends amid a field", &[frame(HEADERS, WHOLE, 1, [pseudo("GET", "/x"), vec![0x00, 0x05, b'a']].concat())], bad()),
        case("9113 4.3", "a field cut by CONTINUATION", &[
            frame(HEADERS, END_STREAM, 1, [pseudo("GET", "/x"), vec![0x00, 0x01]].concat()), frame(CONTINUATION, END_HEADERS, 1, [b'a', 0x01, b'b'])], served()),
        case("9113 4.3", "a broken block behind one that was refused still breaks", &[frame(HEADERS, WHOLE, 1, field("A", "b")), frame(HEADERS, WHOLE, 3, [0x80])], bad()).or(connection(super::case::PROTOCOL_ERROR)),
        case("7541 4.2", "the other side's table has its own size", &[table_of_0(), and(remembered("a", "b"))], served()),
    ];
    cases.into_iter().map(Case::unpacked_by_h2).collect()
}

/// The service's name by RFC 7541 B: `alice.nsl.sh`.
fn huffman_alice() -> Vec<u8> {
    let codes: [(char, u32, u32); 9] = [
        ('a', 0x3, 5),
        ('l', 0x28, 6),
        ('i', 0x6, 5),
        ('c', 0x4, 5),
        ('e', 0x5, 5),
        ('.', 0x17, 6),
        ('n', 0x2a, 6),
        ('s', 0x8, 5),
        ('h', 0x27, 6),
    ];
    let (mut bits, mut n_bits) = (0_u128, 0);
    for c in HOST.chars() {
        let (_, code, length) = codes.iter().find(|(of, ..)| *of == c).unwrap();
        bits = bits << length | u128::from(*code);
        n_bits += length;
    }
    let n_bytes = n_bits.div_ceil(8);
    let padding = n_bytes * 8 - n_bits;
    bits = bits << padding | ((1 << padding) - 1);
    let bytes = &bits.to_be_bytes()[16 - n_bytes as usize..];
    [&[0x80 | u8::try_from(n_bytes).unwrap()], bytes].concat()
}

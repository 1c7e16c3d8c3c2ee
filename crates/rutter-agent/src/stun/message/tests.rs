use super::*;

/// The transaction id of the test vectors in RFC 5769.
const VECTOR: Transaction =
    Transaction([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// RFC 5769 2.2.
fn ipv4_vector() -> Vec<u8> {
    hex("0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
         00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
         80280004 c07d4c96")
}

/// RFC 5769 2.3.
fn ipv6_vector() -> Vec<u8> {
    hex("01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
         00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1
         1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c")
}

#[test]
fn the_vectors_of_rfc_5769_are_read() {
    let v4 = Answer::Address("192.0.2.1".parse().unwrap());
    assert_eq!(VECTOR.read(&ipv4_vector()), Ok(v4));
    let v6 = Answer::Address("2001:db8:1234:5678:11:2233:4455:6677".parse().unwrap());
    assert_eq!(VECTOR.read(&ipv6_vector()), Ok(v6));
}

#[test]
fn a_request_is_a_header_with_a_fresh_id() {
    let (a, b) = (Transaction::random().unwrap(), Transaction::random().unwrap());
    assert_ne!(a, b);
    let request = a.request();
    assert_eq!(request[..8], [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]);
    assert_eq!(request[8..], a.0);
}

#[test]
fn every_cut_of_an_answer_is_refused() {
    for whole in [ipv4_vector(), ipv6_vector()] {
        for n in 0..whole.len() {
            assert!(VECTOR.read(&whole[..n]).is_err(), "cut to {n}");
        }
        let longer = [whole.as_slice(), &[0; 4]].concat();
        assert!(VECTOR.read(&longer).is_err());
    }
}

#[test]
fn every_flipped_bit_of_the_header_is_refused() {
    let whole = ipv4_vector();
    for bit in 0..HEADER * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(VECTOR.read(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_no_answer_is_told_why() {
    let with = |attributes: &str, kind: &str| {
        let attributes = hex(attributes);
        let mut message = hex(kind);
        message.extend((attributes.len() as u16).to_be_bytes());
        message.extend(hex("2112a442 b7e7a701 bc34d686 fa87dfae"));
        message.extend(attributes);
        VECTOR.read(&message)
    };
    let mapped = "00010008 00011234 c0000201";
    let cases = [
        ("", "0101", Err("without a mapped address")),
        (mapped, "0101", Ok(Answer::Address("192.0.2.1".parse().unwrap()))),
        (mapped, "0001", Err("no answer to a binding request")),
        (
            "00200008 0003a147 e112a643",
            "0101",
            Err("with an address of an unknown family or a wrong length"),
        ),
        (
            "00200004 0001a147",
            "0101",
            Err("with an address of an unknown family or a wrong length"),
        ),
        ("00200000", "0101", Err("with a short address")),
        ("0020ffff 0001a147 e112a643", "0101", Err("with an attribute cut short")),
        ("7fff0000", "0101", Err("with an unknown attribute that must be understood")),
        ("00090004 00000414", "0111", Ok(Answer::Error(420))),
        ("00090002 00000000", "0111", Err("with a short error code")),
        (mapped, "0111", Err("an error without a code")),
    ];
    for (attributes, kind, expected) in cases {
        assert_eq!(with(attributes, kind), expected, "{kind} {attributes}");
    }
    // The masked address counts, whatever stands before it.
    let both = "00010008 00011234 c6336442 00200008 0001a147 e112a643";
    assert_eq!(with(both, "0101"), Ok(Answer::Address("192.0.2.1".parse().unwrap())));
}

#[test]
fn no_datagram_makes_it_panic() {
    let mut state = 1_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut n_read = 0;
    for _ in 0..20_000 {
        let mut bytes = ipv4_vector();
        for _ in 0..1 + random() % 4 {
            let at = HEADER + random() % (bytes.len() - HEADER);
            bytes[at] = random() as u8;
        }
        n_read += usize::from(VECTOR.read(&bytes).is_ok());
    }
    assert!(n_read > 0, "some stay readable, so bodies were reached");
}

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(pair).collect()
}

#[test]
fn every_encoding_vector_of_the_original_both_ways() {
    let vectors = crate::tests::vectors();
    let cases = vectors["base36_encoding"].as_array().unwrap();
    assert_eq!(cases.len(), 14);
    for case in cases {
        let (bytes, text) = (hex(case["hex"].as_str().unwrap()), case["base36"].as_str().unwrap());
        assert_eq!(encode(&bytes), text);
        assert_eq!(decode(text, 64), Ok(bytes), "{text}");
    }
    for triple in vectors["vectors"].as_array().unwrap() {
        for what in ["private_key", "public_key", "signature"] {
            let bytes = hex(triple[format!("{what}_hex")].as_str().unwrap());
            let text = triple[format!("{what}_base36")].as_str().unwrap();
            assert_eq!(encode(&bytes), text);
            assert_eq!(decode(text, 64), Ok(bytes), "{text}");
        }
    }
}

#[test]
fn what_is_not_base36_is_refused_by_its_reason() {
    let cases = [
        ("", Base36Error::Prefix),
        ("1ps9wxb", Base36Error::Prefix),
        ("K1PS9WXB", Base36Error::Prefix),
        ("k1PS9WXB", Base36Error::Digit),
        ("k!!", Base36Error::Digit),
        ("k1é", Base36Error::Digit),
        ("k1ekf1ekf", Base36Error::TooLong(4)),
        ("k00000", Base36Error::TooLong(4)),
        ("k00001ekf", Base36Error::TooLong(4)),
    ];
    for (text, why) in cases {
        assert_eq!(decode(text, 4), Err(why), "{text}");
    }
}

#[test]
fn a_huge_text_stops_at_the_bound() {
    let text = format!("k{}", "z".repeat(10_000_000));
    assert_eq!(decode(&text, 64), Err(Base36Error::TooLong(64)));
}

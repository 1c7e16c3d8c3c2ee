use super::*;

#[test]
fn every_signature_of_the_original_verifies_under_its_own_key_alone() {
    let vectors = crate::tests::vectors();
    let triples = vectors["vectors"].as_array().unwrap();
    assert_eq!(triples.len(), 7);
    for (i, triple) in triples.iter().enumerate() {
        let user = triple["user_id"].as_str().unwrap();
        let signature = triple["signature_base36"].as_str().unwrap();
        for (j, other) in triples.iter().enumerate() {
            let key = other["public_key_base36"].as_str().unwrap();
            let key = parse_key(key).unwrap();
            assert_eq!(verifies(&key, user.as_bytes(), signature), i == j, "{user} under {key}");
        }
    }
}

#[test]
fn every_case_that_the_original_accepts_or_refuses() {
    let vectors = crate::tests::vectors();
    let cases = vectors["verify_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let expected = case["result"] == serde_json::Value::Bool(true);
        let verified = match case["public_key"].as_str() {
            Some(key) => {
                let key = parse_key(key).unwrap();
                let signature = case["signature"].as_str().unwrap();
                verifies(&key, case["message"].as_str().unwrap().as_bytes(), signature)
            }
            None => false, // No key: there is nothing to ask.
        };
        assert_eq!(verified, expected, "{}", case["case"]);
    }
}

#[test]
fn a_public_key_is_32_bytes_in_lower_case_base36() {
    let good = "k1hb6dm73lahibaxg7bi9ccq0slttsu87d5qqzp7lvjuxghmyp5";
    assert_eq!(key_text(&parse_key(good).unwrap()), good);
    for bad in
        ["", "k", "k73", "K1HB6DM", &good.to_uppercase(), &good[1..], &format!("k0{}", &good[1..])]
    {
        assert!(parse_key(bad).is_err(), "{bad}");
    }
}

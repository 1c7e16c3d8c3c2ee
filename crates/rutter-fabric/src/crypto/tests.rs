use std::sync::mpsc;
use std::time::Duration;

use super::*;
use rutter_protocol::speaker::Ticket;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

fn check(by: &SigningKey, bytes: &[u8]) -> Check {
    Check { key: by.public(), bytes: bytes.to_vec(), signature: by.sign(bytes) }
}

/// RFC 8032, section 7.1, tests 1 to 3: (seed, public key, message, signature).
const RFC_8032: [(&str, &str, &str, &str); 3] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
];

#[test]
fn the_vectors_of_rfc_8032_sign_and_verify() {
    use rutter_protocol::hex;
    for (seed, public, message, signature) in RFC_8032 {
        let key = SigningKey::from_seed(hex::decode_array(seed).unwrap());
        let message = hex::decode(message).unwrap();
        assert_eq!(key.public().to_string(), public);
        assert_eq!(hex::encode(&key.sign(&message).0), signature);
        assert!(verify(&check(&key, &message)));
    }
}

#[test]
fn a_key_is_written_and_read_as_openssl_does() {
    // openssl genpkey -algorithm ed25519, its seed that of RFC 8032's first test.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
               -----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem("key.pem", pem).unwrap();
    assert_eq!(key.public().to_string(), RFC_8032[0].1);
    assert_eq!(key.to_pem().unwrap(), pem);
}

#[test]
fn a_file_that_is_no_key_is_named_and_nothing_of_it_is_repeated() {
    let error = SigningKey::from_pem("/etc/rutter/key.pem", "hunter2").unwrap_err().to_string();
    assert!(error.starts_with("/etc/rutter/key.pem: expected an Ed25519 key"), "{error}");
    assert!(!error.contains("hunter2"));
    assert!(!format!("{:?}", key(1)).contains(&rutter_protocol::hex::encode(&[1; 32])));
}

#[test]
fn every_flipped_bit_of_key_bytes_and_signature_is_refused() {
    let good = check(&key(1), b"what was signed");
    assert!(verify(&good));
    for bit in 0..32 * 8 {
        let mut bad = good.clone();
        bad.key.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&bad), "key, bit {bit}");
    }
    for bit in 0..64 * 8 {
        let mut bad = good.clone();
        bad.signature.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&bad), "signature, bit {bit}");
    }
    for bit in 0..good.bytes.len() * 8 {
        let mut bad = good.clone();
        bad.bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&bad), "bytes, bit {bit}");
    }
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // The neutral element: with it, R the same and S zero, lax verification accepts any message.
    let mut one = [0; 32];
    one[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let forged =
        Check { key: PublicKey(one), bytes: b"anything".to_vec(), signature: Signature(signature) };
    assert!(!verify(&forged));
    assert!(!is_usable(&PublicKey(one)));
    assert!(is_usable(&key(1).public()));
}

#[test]
fn a_signature_made_larger_by_the_group_order_is_refused() {
    // The order of the group, little-endian (RFC 8032, section 5.1): S + L verifies in lax code.
    let order = rutter_protocol::hex::decode_array::<32>(
        "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
    )
    .unwrap();
    let mut bad = check(&key(1), b"what was signed");
    let mut carry = 0_u16;
    for (byte, add) in bad.signature.0[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = u8::try_from(carry & 0xff).unwrap();
        carry >>= 8;
    }
    assert!(!verify(&bad));
}

#[test]
fn a_row_of_signatures_is_judged_as_each_would_be_by_itself() {
    let of = |n: u8, bytes: &[u8]| check(&key(n), bytes);
    let by = |key: PublicKey, mut check: Check| {
        check.key = key;
        check
    };
    let mut keys = (0..=u8::MAX).map(|n| PublicKey([n; 32]));
    let none = keys.find(|key| VerifyingKey::from_bytes(&key.0).is_err()).unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    let small = PublicKey(one);
    let others = by(key(2).public(), of(1, b"e"));
    let row = [
        of(1, b"a"),
        of(1, b"b"),
        by(none, of(1, b"c")),
        by(none, of(1, b"c")),
        of(1, b"d"),
        others.clone(),
        of(2, b"f"),
        by(small, of(2, b"g")),
        of(2, b"h"),
        others,
        of(1, b"i"),
    ];
    let strict = |check: &Check| {
        let key = VerifyingKey::from_bytes(&check.key.0).ok()?;
        let signature = ed25519_dalek::Signature::from_bytes(&check.signature.0);
        key.verify_strict(&check.bytes, &signature).ok()
    };
    let mut verify = Verify::default();
    let judged = row.iter().map(|check| verify.is_good(check));
    let alone: Vec<bool> = row.iter().map(|check| strict(check).is_some()).collect();
    assert_eq!(judged.collect::<Vec<_>>(), alone);
    let good = [true, true, false, false, true, false, true, false, true, false, true];
    assert_eq!(alone, good);
}

#[test]
fn verdicts_come_in_the_order_of_submission_whatever_their_size() {
    let (told, heard) = mpsc::channel();
    let verifier = Verifier::start(3, move |verdict| told.send(verdict).unwrap()).unwrap();
    let good = check(&key(1), b"good");
    let mut bad = good.clone();
    bad.bytes.push(0);
    let sizes = [0_usize, 1, 300, 2, 64, 65, 0, 129, 1];
    for (n, size) in sizes.iter().enumerate() {
        let pick = |at| if at % 3 == n % 3 { bad.clone() } else { good.clone() };
        verifier.submit(Ticket(n as u64), (0..*size).map(pick).collect());
    }
    for (n, size) in sizes.iter().enumerate() {
        let (ticket, verdicts) = heard.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(ticket, Ticket(n as u64));
        let expected: Vec<bool> = (0..*size).map(|at| at % 3 != n % 3).collect();
        assert_eq!(verdicts, expected);
    }
}

#[test]
fn only_what_was_good_is_remembered_and_within_a_bound() {
    let mut cache = cache::Cache::default();
    let known = |n: u64| {
        let mut known = [0; 32];
        known[..8].copy_from_slice(&n.to_le_bytes());
        known
    };
    for n in 0..200_000 {
        cache.put(known(n));
    }
    assert!(cache.len() <= 65_536);
    assert!(cache.has(&known(199_999)) && !cache.has(&known(0)));

    let (told, heard) = mpsc::channel();
    let verifier = Verifier::start(1, move |verdict| told.send(verdict).unwrap()).unwrap();
    let mut bad = check(&key(1), b"bad");
    bad.signature.0[3] ^= 1;
    for n in 0..2 {
        verifier.submit(Ticket(n), vec![bad.clone(), check(&key(1), b"good")]);
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)).unwrap().1, [false, true]);
    }
}

//! The root of a batch, against RFC 6962 as it is written, and against Certificate Transparency.

use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::wire::root;

/// Section 2.1, word by word: `k` is the largest power of two smaller than n.
fn as_the_rfc_says(list: &[Bytes]) -> [u8; 32] {
    match list {
        [] => Sha256::digest(b"").into(),
        [d0] => Sha256::digest([&[0x00], d0.as_ref()].concat()).into(),
        list => {
            let mut k = 1;
            while k * 2 < list.len() {
                k *= 2;
            }
            let (left, right) = (as_the_rfc_says(&list[..k]), as_the_rfc_says(&list[k..]));
            Sha256::digest([&[0x01][..], &left, &right].concat()).into()
        }
    }
}

/// Inputs and roots of the reference implementation's tests (google/certificate-transparency,
/// merkle_tree_test).
#[test]
fn the_root_is_that_of_certificate_transparency() {
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let inputs: Vec<Bytes> = inputs.map(|text| Bytes::from(hex::decode(text).unwrap())).to_vec();
    for (n, want) in roots.into_iter().enumerate() {
        assert_eq!(hex::encode(&root(&inputs[..n])), want, "of {n} leaves");
    }
}

proptest! {
    #[test]
    fn the_root_is_the_rfcs_for_any_messages(
        list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..257)
    ) {
        let list: Vec<Bytes> = list.into_iter().map(Bytes::from).collect();
        prop_assert_eq!(root(&list), as_the_rfc_says(&list));
    }
}

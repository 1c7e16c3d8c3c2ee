//! What the tests of this crate share.

/// Keys, signatures and encodings made with the original's own library.
pub(crate) fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../testdata/mesh-router-vectors.json")).unwrap()
}

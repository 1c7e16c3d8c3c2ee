//! TODO(H5): see the crate's head.

//! TODO(H3)

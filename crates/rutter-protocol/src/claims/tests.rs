//! TODO(H2)

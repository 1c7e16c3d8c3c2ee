//! TODO(H4)

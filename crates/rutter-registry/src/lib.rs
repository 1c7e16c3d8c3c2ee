//! rutter-registry.

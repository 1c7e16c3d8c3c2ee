//! rutter-api.

//! rutter-gateway.

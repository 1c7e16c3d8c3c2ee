//! rutter-rib.

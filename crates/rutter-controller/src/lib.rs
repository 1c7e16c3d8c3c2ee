//! rutter-controller.

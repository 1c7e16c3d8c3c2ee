//! rutter-book.

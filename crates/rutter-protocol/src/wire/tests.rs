//! Tests of the wire's form.

mod golden;
mod properties;
mod roots;
mod samples;

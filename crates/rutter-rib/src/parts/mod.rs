//! The parts a table is made of: containers that know nothing of routes.
//!
//! Each is small, has a bound or grows in steps that never copy what is there, so that no single
//! call takes long at a million routes (`Growth spikes` were the worst pitfall of the prototypes).

pub(crate) mod chunked;
pub(crate) mod index;
pub(crate) mod intern;
pub(crate) mod marks;
pub(crate) mod members;
pub(crate) mod ring;
pub(crate) mod slots;
pub(crate) mod wheel;

#[cfg(test)]
mod tests;

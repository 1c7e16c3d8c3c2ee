//! The gateway's own services table.
mod key;
#[cfg(test)]
mod tests;

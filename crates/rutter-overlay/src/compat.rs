//! Other systems' words for overlays. Each adapter has a module with the system's name on it.

pub mod nnetman;

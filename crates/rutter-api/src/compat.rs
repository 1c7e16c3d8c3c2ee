//! Foreign systems' APIs, each in a module with its name on it; their words stop there.

pub mod mesh_router;
pub mod mpreg;
pub mod nnetman;

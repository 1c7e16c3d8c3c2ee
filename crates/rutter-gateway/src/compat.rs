//! Other systems' words for a gateway. Each adapter has a module with the system's name on it.

pub mod mesh_router;

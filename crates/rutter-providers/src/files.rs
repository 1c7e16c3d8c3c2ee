//! Files of routes, watched.

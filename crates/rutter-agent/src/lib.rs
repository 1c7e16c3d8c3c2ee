//! rutter-agent.

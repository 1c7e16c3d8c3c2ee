//! Whether a neighbour answers, how soon, and how much is lost (after RFC 5880's asynchronous mode).

mod announcing;
mod named;
mod nodes;
mod recorded;
mod told;

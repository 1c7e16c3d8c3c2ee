mod announcing;
mod named;
mod recorded;
mod told;

mod announcing;
mod recorded;
mod told;

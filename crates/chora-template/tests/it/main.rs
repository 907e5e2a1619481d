//! The built-in catalogue: what every pattern writes, for every language.

mod golden;
mod refusals;

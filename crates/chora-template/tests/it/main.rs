//! The built-in catalogue: what every pattern writes, for every language.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod upgrade;

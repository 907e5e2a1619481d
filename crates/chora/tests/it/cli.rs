//! The command line, without an engine: what it prints, where, and with which exit code.

mod audit;
mod configuration;
mod help;
mod hostile;
mod images;
mod log;
mod probes;
mod refusals;
mod scaffold;
mod sources;
mod surroundings;
mod unfinished;
mod upgrades;

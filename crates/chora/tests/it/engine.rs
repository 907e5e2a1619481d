//! The program against a real engine: releases, refusals, ways back, sudden deaths. No engine is a failure.

mod apart;
mod bad_input;
mod bridged;
mod canary;
mod daemon;
mod deaths;
mod deploy;
mod edge;
mod files;
mod full_disk;
mod gates;
mod load;
mod log;
mod mcp_door;
mod no_gap;
mod plans;
mod pulls;
mod race;
mod restarts;
mod roles;
mod scaffold;
mod site;
mod spare;
mod stdio;
mod third_party;
mod watched;

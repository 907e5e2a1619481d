//! The program against a real engine: releases, refusals, ways back, sudden deaths. No engine is a failure.

mod apart;
mod bad_input;
mod daemon;
mod deaths;
mod deploy;
mod files;
mod pulls;
mod site;
mod stdio;
mod third_party;

//! The test server by itself. That these tests are here also makes cargo build it with those of the other crates.

#[cfg(test)]
mod server;

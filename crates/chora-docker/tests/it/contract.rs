//! The engine contract.

chora_testkit::engine_contract!(crate::engine());

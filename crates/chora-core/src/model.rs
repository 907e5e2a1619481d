//! What Chora talks about: releases, deployments, health, events.

pub mod bridge;
pub mod canary;
pub mod container;
pub mod contract;
pub mod deployment;
pub mod digest;
pub mod environment;
pub mod event;
pub mod health;
pub mod ids;
pub mod image;
pub mod network;
pub mod release;
pub mod secret;
pub mod trace;

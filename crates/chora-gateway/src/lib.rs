//! The data plane of Chora: MCP traffic between clients and servers, whatever transport and revision each speaks, and the
//! traffic of a stack's published ports, which goes to the release that serves.
//!
//! It never sees the container engine, the store or the project.

mod bridge;
#[cfg(fuzzing)]
pub mod fuzzing;
mod message;
mod metrics;
mod proxy;
mod remote;
mod revision;
mod session;
mod stream;
mod translate;
mod transport;
mod upstream;

pub use bridge::{Bridge, BridgeSettings, ChildSharing};
pub use proxy::{Gateway, GatewayError, GatewaySettings, Inquiry, StateFileError, Table, TableError, attend};
pub use remote::{RemoteError, RemoteSettings, connect};
pub use transport::http::{FrontSettings, Guard, Refusal, Token, is_loopback, open_to, serve, serve_metrics};
pub use transport::stdio::ChildCommand;

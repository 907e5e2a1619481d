//! The data plane of Chora: MCP traffic between clients and servers, whatever transport and revision each speaks, and the
//! traffic of a stack's published ports, which goes to the release that serves.
//!
//! It never sees the container engine, the store or the project.

mod aggregate;
mod bridge;
mod calls;
mod causes;
mod client;
#[cfg(fuzzing)]
pub mod fuzzing;
mod many;
mod message;
mod metrics;
mod proxy;
mod remote;
mod revision;
mod server;
mod session;
mod stream;
mod translate;
mod transport;
mod upstream;

pub use aggregate::Aggregate;
pub use bridge::{Bridge, BridgeSettings, ChildSharing};
pub use many::{Many, ManySettings, NameError, NamedServer, name_faults};
pub use proxy::{Gateway, GatewayError, GatewaySettings, Inquiry, StateFileError, Table, TableError, attend};
pub use remote::{RemoteError, RemoteSettings, connect};
pub use server::Server;
pub use transport::http::{
    FrontSettings, Guard, Refusal, Token, is_loopback, open_to, serve, serve_many, serve_many_metrics, serve_metrics,
};
pub use transport::stdio::{ChildCommand, PATIENCE};

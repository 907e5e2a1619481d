mod hostile_mcp;
mod http;
mod local;

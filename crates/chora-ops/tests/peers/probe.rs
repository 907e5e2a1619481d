mod hostile_mcp;
mod http;
mod local;
mod real_mcp;
mod streams;

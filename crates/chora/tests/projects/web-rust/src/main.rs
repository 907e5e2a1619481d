//! A web service that says whether it is well, and counts its visitors.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let address = format!("{}:{}", env::var("HOST").expect("HOST"), env::var("PORT").expect("PORT"));
    let mut visits = 0;
    for stream in TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        let lines: Vec<String> = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let body = match lines.first() {
            None => continue,
            Some(line) if line.contains(" /health ") => String::from(r#"{"status":"ok"}"#),
            Some(_) => {
                visits += 1;
                format!(r#"{{"visits":{visits}}}"#)
            }
        };
        // A client that has gone is no reason to end.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    }
    Ok(())
}

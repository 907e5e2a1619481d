//! Is a PostgreSQL server ready for logins? A start-up packet, as a client sends it, and a look at the first answer
//! (PostgreSQL documentation, Frontend/Backend Protocol). No password is needed: being asked for one is ready enough.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::probe::{Url, decode_percent, plain, resolve};

/// Protocol 3.0, which every server since 7.4 speaks.
const PROTOCOL: i32 = 196_608;
/// `cannot_connect_now`: starting up, shutting down or recovering.
const NOT_YET: &str = "57P03";
/// Longer first answers are not PostgreSQL's.
const ANSWER_LIMIT: usize = 16 << 10;

/// Whom to ask for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    host: String,
    port: u16,
    user: String,
    database: String,
}

impl Login {
    /// Defaults as libpq has them: port 5432, the database named like the user; the user is `postgres`.
    pub(super) fn from_url(url: &Url) -> Option<Self> {
        let user = url.user.clone().unwrap_or_else(|| "postgres".to_owned());
        let path = url.path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let database = decode_percent(path).ok()?;
        let database = if database.is_empty() { user.clone() } else { database };
        let valid = |text: &str| !text.contains('\0');
        (valid(&user) && valid(&database)).then(|| Self { host: url.host.clone(), port: url.port.unwrap_or(5432), user, database })
    }
}

/// Asks once: ready, or what is missing.
pub(super) async fn ask(login: &Login, limit: Duration) -> Result<String, String> {
    match tokio::time::timeout(limit, ask_addresses(login)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

async fn ask_addresses(login: &Login) -> Result<String, String> {
    let addresses = resolve(&login.host, login.port).await.map_err(|error| error.to_string())?;
    let mut first = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return greet(stream, login).await,
            Err(error) => first = first.or_else(|| Some(plain(&error))),
        }
    }
    Err(first.unwrap_or_else(|| "no address".to_owned()))
}

async fn greet(mut stream: TcpStream, login: &Login) -> Result<String, String> {
    let broken = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the connection was closed without an answer".to_owned(),
        _ => plain(&error),
    };
    stream.write_all(&start_up(login)).await.map_err(broken)?;
    loop {
        let kind = stream.read_u8().await.map_err(broken)?;
        let length = usize::try_from(stream.read_i32().await.map_err(broken)?).unwrap_or_default();
        if !kind.is_ascii_alphabetic() || !(4..=ANSWER_LIMIT).contains(&length) {
            return Err("the answer is not PostgreSQL's".to_owned());
        }
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await.map_err(broken)?;
        match kind {
            b'R' => return Ok("accepts logins".to_owned()),
            b'E' => return read_error(&body),
            // A newer server lists what it would not negotiate, or says a notice first.
            b'v' | b'N' => {}
            _ => return Err("the answer is not PostgreSQL's".to_owned()),
        }
    }
}

/// `StartupMessage`: length, protocol, then names and values, each ended by a zero byte.
fn start_up(login: &Login) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for text in ["user", &login.user, "database", &login.database, "application_name", "chora wait"] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.extend(body);
    message
}

/// A refusal of this very login shows a server that is ready; only "not yet" is not.
fn read_error(body: &[u8]) -> Result<String, String> {
    let (mut code, mut message) = (String::new(), String::new());
    for field in body.split(|byte| *byte == 0) {
        match field.split_first() {
            Some((b'C', text)) => code = String::from_utf8_lossy(text).into_owned(),
            Some((b'M', text)) => message = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    if code.len() != 5 {
        return Err("the answer is not PostgreSQL's".to_owned());
    }
    if code == NOT_YET { Err(message) } else { Ok(format!("accepts connections ({code}: {message})")) }
}

#[cfg(test)]
mod tests {
    use super::{Login, read_error, start_up};

    #[test]
    fn the_start_up_packet_is_the_documented_one() {
        let login = Login { host: String::new(), port: 1, user: "u".to_owned(), database: "d".to_owned() };
        let expected = b"\0\0\0\x37\0\x03\0\0user\0u\0database\0d\0application_name\0chora wait\0\0";
        assert_eq!(start_up(&login), expected);
    }

    #[test]
    fn only_not_yet_is_not_ready() {
        assert_eq!(
            read_error(b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"),
            Err("the database system is starting up".to_owned())
        );
        assert_eq!(read_error(b"C28P01\0Mno\0\0"), Ok("accepts connections (28P01: no)".to_owned()));
        assert!(read_error(b"nonsense").is_err());
    }
}

//! Addresses with a password in them, in words and in texts.

/// What passwords are called where none is meant.
const PLACEHOLDERS: [&str; 14] = [
    "password",
    "passwd",
    "pass",
    "pwd",
    "pw",
    "secret",
    "token",
    "changeme",
    "example",
    "tiger",
    "mypassword",
    "yourpassword",
    "your_password",
    "your-password",
];
/// The shortest password that is taken for one in a text, in bytes.
const SHORTEST: usize = 4;
/// Hosts of examples (RFC 2606).
const EXAMPLES: [&str; 3] = ["example.com", "example.org", "example.net"];

/// User, password and host of an address.
struct Login<'a> {
    user: &'a str,
    password: &'a str,
    host: &'a str,
}

/// Whether a word holds an address with a password; one that comes from a variable is none.
pub(super) fn is_in(word: &str) -> bool {
    marks(word.as_bytes()).filter_map(|at| login(word.get(at + 3..)?)).next().is_some()
}

/// Where a text has addresses whose password is likely one; those of examples are not.
pub(super) fn find(text: &str) -> impl Iterator<Item = usize> + '_ {
    marks(text.as_bytes()).filter(|at| text.get(at + 3..).and_then(login).is_some_and(|login| !is_made_up(&login)))
}

/// Places of `://`.
fn marks(text: &[u8]) -> impl Iterator<Item = usize> + '_ {
    text.windows(3).enumerate().filter(|(_, part)| part == b"://").map(|(at, _)| at)
}

fn login(rest: &str) -> Option<Login<'_>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>' | '\\');
    let (login, host) = rest.split(ends).next()?.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    // What stands for a value, and what no address has unencoded, is no password.
    let is_one = !password.is_empty() && !password.contains(['$', '{', '}', '[', ']', '^', '|', '*']) && is_encoded(password);
    (is_one && !host.is_empty()).then_some(Login { user, password, host })
}

/// Whether every `%` begins a byte in hexadecimal; else it is a place for a value, such as `%s`.
fn is_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|after| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

fn is_made_up(login: &Login<'_>) -> bool {
    let password = login.password.to_ascii_lowercase();
    let host = login.host.split(':').next().unwrap_or(login.host).to_ascii_lowercase();
    let is_example =
        EXAMPLES.iter().any(|example| host.strip_suffix(example).is_some_and(|before| before.is_empty() || before.ends_with('.')));
    is_example
        || password.len() < SHORTEST
        || PLACEHOLDERS.contains(&password.as_str())
        || password == login.user.to_ascii_lowercase()
        || password.bytes().all(|byte| matches!(byte, b'x' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::{find, is_in};

    #[test]
    fn addresses_with_passwords_are_found() {
        for (word, expected) in [
            ("--index-url=https://me:hunter2@pip.shop/simple", true),
            ("redis://:hunter2@r:6379", true),
            ("\"https://me:hunter2@x\"", true),
            ("https://me:${TOKEN}@host/x", false),
            ("https://me:$TOKEN@host/x", false),
            ("https://me@host:8000/x", false),
            ("http://a/b:c@d", false),
            ("postgres://%s:%s@%s/x", false),
            ("a:b@c", false),
        ] {
            assert_eq!(is_in(word), expected, "{word}");
        }
    }

    #[test]
    fn those_of_examples_are_none() {
        let places = |text: &str| find(text).collect::<Vec<_>>();
        assert_eq!(places("url: postgres://app:hunter2@db/x and 'http://a:b1c2@d'"), [13, 42]);
        for text in [
            "postgresql://scott:tiger@localhost/test",
            "http://user:password@proxy:8080",
            "http://me:s3cr3t@www.example.com/",
            "amqp://guest:guest@mq",
            "https://me:xxxx@host",
            "new URL('http://u:p@h')",
            "re.match(r'^https?://([^:]+):([^@]+)@(.*)$')",
            "http://{user}:{password}@{host}",
        ] {
            assert!(places(text).is_empty(), "{text}");
        }
    }
}

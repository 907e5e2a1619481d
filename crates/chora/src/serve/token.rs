//! The bearer token, from a file.

use std::path::Path;

use chora_gateway::Token;
use chora_ops::{Failure, FailureKind};

/// The shortest token that is no invitation to guess.
const SHORTEST: usize = 16;

/// Reads the token that clients must send.
pub(crate) fn read(path: &Path) -> Result<Token, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::new(FailureKind::Invalid, format!("the token file {} cannot be read: {error}", path.display()));
        failure.state("nothing is served").hint("make one with `openssl rand -hex 32`, readable for this user only")
    })?;
    let word = text.trim();
    let is_token = word.len() >= SHORTEST && !word.contains(|c: char| c.is_whitespace() || c.is_control());
    Token::new(word).filter(|_| is_token).ok_or_else(|| {
        let failure =
            Failure::new(FailureKind::Invalid, format!("{} holds no token: one line of at least {SHORTEST} characters", path.display()));
        failure.state("nothing is served").hint("make one with `openssl rand -hex 32`")
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_token_is_one_long_enough_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        for (text, fine) in [("0123456789abcdef\n", true), ("short", false), ("", false), ("0123456789 abcdef", false)] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(read(&path).is_ok(), fine, "{text:?}");
        }
        assert!(read(&folder.path().join("missing")).is_err());
    }
}

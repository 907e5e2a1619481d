//! The bearer token: read from a file, compared in constant time.

use std::path::Path;

use chora_core::model::digest::Digest;
use chora_ops::{Failure, FailureKind};

/// The shortest token that is no invitation to guess.
const SHORTEST: usize = 16;

/// A token by its hash; the token itself is not kept.
pub(super) struct Token(Digest);

impl Token {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let failure = Failure::new(FailureKind::Invalid, format!("the token file {} cannot be read: {error}", path.display()));
            failure.hint("make one with `openssl rand -hex 32`, readable for this user only")
        })?;
        let token = text.trim();
        if token.len() < SHORTEST || token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let failure = Failure::new(
                FailureKind::Invalid,
                format!("{} holds no token: one line of at least {SHORTEST} characters", path.display()),
            );
            return Err(failure.hint("make one with `openssl rand -hex 32`"));
        }
        Ok(Self(Digest::of(token.as_bytes())))
    }

    /// Compares hashes of equal length to their end, so that the time taken tells nothing about the token.
    pub(super) fn is(&self, given: &str) -> bool {
        let given = Digest::of(given.as_bytes());
        let differing = self.0.as_str().bytes().zip(given.as_str().bytes()).fold(0, |differing, (a, b)| differing | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_one_long_enough_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        for (text, fine) in [("0123456789abcdef\n", true), ("short", false), ("", false), ("0123456789 abcdef", false)] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(Token::read(&path).is_ok(), fine, "{text:?}");
        }
        assert!(Token::read(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn only_the_token_itself_is_the_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "0123456789abcdef\n").expect("written");
        let token = Token::read(&path).expect("a token");
        assert!(token.is("0123456789abcdef"));
        assert!(!token.is("0123456789abcdeF") && !token.is("") && !token.is("0123456789abcdef "));
    }
}

//! What a registry wants to be shown (`WWW-Authenticate`, RFC 9110 §11.6.1).

use indexmap::IndexMap;

/// A challenge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password.
    Basic,
    /// A token of the authority named here, with what to ask it for.
    Bearer { realm: String, asked: Vec<(String, String)> },
    /// Something else.
    Unknown,
}

impl Challenge {
    pub(super) fn parse(text: &str) -> Self {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::Basic;
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Self::Unknown;
        }
        let mut fields = fields(rest);
        match fields.shift_remove("realm") {
            Some(realm) => {
                let asked = fields.into_iter().filter(|(name, _)| matches!(name.as_str(), "service" | "scope")).collect();
                Self::Bearer { realm, asked }
            }
            None => Self::Unknown,
        }
    }
}

/// `a="b,c",d=e`: commas in quotes belong to the value.
fn fields(text: &str) -> IndexMap<String, String> {
    let (mut pieces, mut piece, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => pieces.push(std::mem::take(&mut piece)),
            other => piece.push(other),
        }
    }
    pieces.push(piece);
    let pairs = pieces.iter().filter_map(|piece| piece.trim().split_once('='));
    pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[test]
    fn challenges_are_read() {
        let text = r#"Bearer realm="https://auth.r/token",service="r",scope="repository:a/b:pull,push",error="x""#;
        let asked = vec![("service".to_owned(), "r".to_owned()), ("scope".to_owned(), "repository:a/b:pull,push".to_owned())];
        assert_eq!(Challenge::parse(text), Challenge::Bearer { realm: "https://auth.r/token".to_owned(), asked });
        assert_eq!(Challenge::parse("Basic realm=\"r\""), Challenge::Basic);
        for other in ["", "Bearer", "Digest realm=\"r\""] {
            assert_eq!(Challenge::parse(other), Challenge::Unknown);
        }
    }
}

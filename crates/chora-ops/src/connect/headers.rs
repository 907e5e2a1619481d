//! Headers for a remote server: read from `Name: value`, variables in the spelling that a client knows.

use crate::failure::{Failure, FailureKind};

/// How a client spells an environment variable in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    /// `${NAME}`.
    Braces,
    /// `${env:NAME}`.
    EnvBraces,
    /// `{{ $env.NAME }}`.
    Expression,
    /// It knows none, and sends what stands there.
    Unknown,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

impl Header {
    /// Reads `Name: value`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let parts = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let fine = parts.filter(|(name, value)| {
            !name.is_empty() && name.chars().all(is_name) && !value.is_empty() && !value.contains(char::is_control)
        });
        // A refused header is not repeated: it may hold a token.
        let refused = || Failure::new(FailureKind::Invalid, "a header is no `Name: value`").hint("write it as --header 'Name: value'");
        fine.map(|(name, value)| Self { name: name.to_owned(), value: value.to_owned() }).ok_or_else(refused)
    }

    /// The file that `chora bridge` reads the value from.
    pub(super) fn file(&self) -> Option<&str> {
        self.value.strip_prefix('@')
    }

    /// It looks like a secret that stands there in full.
    pub(super) fn is_open_secret(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        let telling = ["authorization", "cookie", "key", "token", "secret", "password"].iter().any(|word| name.contains(word));
        telling && self.file().is_none() && variables(&normal(&self.value)).is_empty() && !self.value.contains("${")
    }

    /// The header with its variables as the client spells them.
    pub(super) fn spelled(&self, spelling: Variables) -> Self {
        let mut value = normal(&self.value);
        for (written, name) in variables(&value) {
            let spelled = match spelling {
                Variables::Braces => format!("${{{name}}}"),
                Variables::EnvBraces => format!("${{env:{name}}}"),
                Variables::Expression => format!("{{{{ $env.{name} }}}}"),
                Variables::Unknown => continue,
            };
            value = value.replace(&written, &spelled);
        }
        Self { name: self.name.clone(), value }
    }

    /// Names of the variables in it.
    pub(super) fn variables(&self) -> Vec<String> {
        variables(&normal(&self.value)).into_iter().map(|(_, name)| name).collect()
    }
}

/// The value with `env:NAME` written as `${env:NAME}`.
fn normal(value: &str) -> String {
    let word = |word: &str| match word.strip_prefix("env:").filter(|name| is_variable(name)) {
        Some(name) => format!("${{env:{name}}}"),
        None => word.to_owned(),
    };
    value.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Every variable, as it is written, and its name.
fn variables(value: &str) -> Vec<(String, String)> {
    let inner = value.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner);
    inner.filter_map(|inner| Some((format!("${{{inner}}}"), variable(inner)?.to_owned()))).collect()
}

/// Names in small letters are those that editors define themselves, such as `workspaceFolder`; behind `env:` any name is one.
fn variable(inner: &str) -> Option<&str> {
    match inner.strip_prefix("env:") {
        Some(name) => Some(name).filter(|name| is_variable(name)),
        None => Some(inner).filter(|name| is_variable(name) && !name.contains(|c: char| c.is_ascii_lowercase())),
    }
}

fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{Header, Variables};

    #[test]
    fn a_header_has_a_name_and_a_value() {
        for text in ["", "Authorization", ": x", "X:", "A b: c", "X: a\r\nY: b", "X: \u{1b}[0m"] {
            let refused = Header::parse(text).unwrap_err();
            assert!(text.is_empty() || !refused.message.contains(text), "{text:?}");
        }
        let header = Header::parse("X-Key:  a: b ").unwrap();
        assert_eq!((header.name.as_str(), header.value.as_str()), ("X-Key", "a: b"));
    }

    #[test]
    fn variables_are_spelled_as_the_client_knows_them() {
        let table = [
            ("Bearer ${TOKEN}", "Bearer ${TOKEN}", "Bearer ${env:TOKEN}", "Bearer {{ $env.TOKEN }}"),
            ("Bearer ${env:my_token}", "Bearer ${my_token}", "Bearer ${env:my_token}", "Bearer {{ $env.my_token }}"),
            ("env:TOKEN", "${TOKEN}", "${env:TOKEN}", "{{ $env.TOKEN }}"),
            ("Bearer env:TOKEN", "Bearer ${TOKEN}", "Bearer ${env:TOKEN}", "Bearer {{ $env.TOKEN }}"),
            ("${A}-${B}", "${A}-${B}", "${env:A}-${env:B}", "{{ $env.A }}-{{ $env.B }}"),
            ("${input:key}", "${input:key}", "${input:key}", "${input:key}"),
            ("${workspaceFolder}", "${workspaceFolder}", "${workspaceFolder}", "${workspaceFolder}"),
            ("${TOKEN:-none}", "${TOKEN:-none}", "${TOKEN:-none}", "${TOKEN:-none}"),
            ("$TOKEN ${ open", "$TOKEN ${ open", "$TOKEN ${ open", "$TOKEN ${ open"),
            ("abc", "abc", "abc", "abc"),
        ];
        for (value, braces, env_braces, expression) in table {
            let header = Header { name: "X".into(), value: value.into() };
            for (spelling, wanted) in [(Variables::Braces, braces), (Variables::EnvBraces, env_braces), (Variables::Expression, expression)]
            {
                assert_eq!(header.spelled(spelling).value, wanted, "{value} {spelling:?}");
            }
        }
    }

    #[test]
    fn a_secret_in_the_open_is_noticed() {
        let table = [
            ("Authorization: Bearer abc", true),
            ("x-api-key: abc", true),
            ("X-Tenant: abc", false),
            ("Authorization: Bearer ${TOKEN}", false),
            ("Authorization: ${input:token}", false),
            ("Authorization: @/run/token", false),
        ];
        for (text, open) in table {
            assert_eq!(Header::parse(text).unwrap().is_open_secret(), open, "{text}");
        }
    }
}

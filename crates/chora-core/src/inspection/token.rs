//! Tokens and keys by their well-known forms, as their issuers publish them for secret scanning.

/// A token's form: how it begins, which bytes follow, and how many at least.
struct Form {
    what: &'static str,
    prefix: &'static str,
    follows: fn(u8) -> bool,
    least: usize,
}

/// Different bytes that what follows must have: placeholders such as `xxxx` have fewer.
const VARIETY: usize = 8;

const FORMS: [Form; 29] = [
    form("a GitHub token", "ghp_", alnum, 36),
    form("a GitHub token", "gho_", alnum, 36),
    form("a GitHub token", "ghs_", alnum, 36),
    form("a GitHub token", "ghu_", alnum, 36),
    form("a GitHub token", "ghr_", alnum, 36),
    form("a GitHub token", "github_pat_", word, 40),
    form("a GitLab token", "glpat-", dashed, 20),
    form("a GitLab token", "gldt-", dashed, 20),
    form("a GitLab token", "glrt-", dashed, 20),
    form("an AWS access key", "AKIA", upper, 16),
    form("an AWS access key", "ASIA", upper, 16),
    form("a Slack token", "xoxb-", dashed, 20),
    form("a Slack token", "xoxp-", dashed, 20),
    form("a Slack token", "xoxe-", dashed, 20),
    form("a Slack token", "xapp-", dashed, 20),
    form("an Anthropic key", "sk-ant-", dashed, 20),
    form("an OpenAI key", "sk-proj-", dashed, 20),
    form("an OpenAI key", "sk-svcacct-", dashed, 20),
    form("an OpenAI key", "sk-admin-", dashed, 20),
    form("an OpenAI key", "sk-", alnum, 40),
    form("a Stripe key", "sk_live_", alnum, 16),
    form("a Stripe key", "rk_live_", alnum, 16),
    form("a Google API key", "AIza", dashed, 35),
    form("an npm token", "npm_", alnum, 36),
    form("a PyPI token", "pypi-AgE", dashed, 20),
    form("a Docker token", "dckr_pat_", dashed, 20),
    form("a Docker token", "dckr_oat_", dashed, 20),
    form("a Hugging Face token", "hf_", alnum, 34),
    form("an age key", "AGE-SECRET-KEY-1", upper, 50),
];

const fn form(what: &'static str, prefix: &'static str, follows: fn(u8) -> bool, least: usize) -> Form {
    Form { what, prefix, follows, least }
}

const fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

const fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn dashed(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

const fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// Something found: where it begins, and what it looks like.
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// Finds tokens and private keys in a text; each at the beginning of a word.
pub(super) fn find(text: &[u8]) -> impl Iterator<Item = Found> + '_ {
    let starts = text.iter().enumerate().scan(b' ', |before, (at, byte)| {
        let begins = (word(*byte) || *byte == b'-') && !word(*before) && *before != b'-';
        *before = *byte;
        Some(begins.then_some(at))
    });
    starts.flatten().filter_map(|at| {
        let rest = text.get(at..)?;
        let what = if rest.first() == Some(&b'-') { key(rest) } else { token(rest) };
        what.map(|what| Found { at, what })
    })
}

fn token(rest: &[u8]) -> Option<&'static str> {
    let form = FORMS.iter().find(|form| rest.starts_with(form.prefix.as_bytes()))?;
    let body = rest.get(form.prefix.len()..)?;
    let length = body.iter().take_while(|byte| (form.follows)(**byte)).count();
    let body = body.get(..length)?;
    let mut seen: Vec<u8> = body.to_vec();
    seen.sort_unstable();
    seen.dedup();
    let is_example = body.to_ascii_uppercase().windows(7).any(|part| part == b"EXAMPLE");
    (length >= form.least && seen.len() >= VARIETY && !is_example).then_some(form.what)
}

/// A private key in armour, with something of the key below its head: programs name the head alone.
fn key(rest: &[u8]) -> Option<&'static str> {
    let head = rest.strip_prefix(b"-----BEGIN ")?;
    let end = head.windows(5).take(40).position(|part| part == b"-----")?;
    let name = head.get(..end)?;
    if !name.windows(11).any(|part| part == b"PRIVATE KEY") {
        return None;
    }
    let body = head.get(end + 5..)?;
    // In JSON and in variables line ends are written out.
    let skipped = body.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\\' | b'n' | b'"')).count();
    let body = body.get(skipped..)?;
    let is_key = body.iter().take_while(|byte| alnum(**byte) || matches!(byte, b'+' | b'/')).count() >= 32;
    (is_key || body.starts_with(b"Proc-Type") || body.starts_with(b"Version:")).then_some("a private key")
}

#[cfg(test)]
mod tests {
    use super::find;

    fn found(text: &str) -> Vec<&'static str> {
        find(text.as_bytes()).map(|found| found.what).collect()
    }

    #[test]
    fn tokens_are_known_by_their_form() {
        let body = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z";
        for (text, what) in [
            (format!("TOKEN=ghp_{body}"), "a GitHub token"),
            (format!("'sk-ant-{body}'"), "an Anthropic key"),
            (format!("key: sk-{body}{body}"), "an OpenAI key"),
            (format!("sk-svcacct-{body}"), "an OpenAI key"),
            (format!("sk-admin-{body}"), "an OpenAI key"),
            (format!("ghr_{body}"), "a GitHub token"),
            (format!("gldt-{body}"), "a GitLab token"),
            (format!("glrt-{body}"), "a GitLab token"),
            (format!("xapp-1-{body}"), "a Slack token"),
            (format!("xoxe-1-{body}"), "a Slack token"),
            (format!("rk_live_{body}"), "a Stripe key"),
            (format!("dckr_oat_{body}"), "a Docker token"),
            ("AKIAQWERTYUIOPASDFGH".to_owned(), "an AWS access key"),
            (format!("-----BEGIN RSA PRIVATE KEY-----\n{body}"), "a private key"),
            (format!("\"-----BEGIN PRIVATE KEY-----\\n{body}"), "a private key"),
        ] {
            assert_eq!(found(&text), [what], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for text in [
            "ghp_short",
            "AKIAIOSFODNN7EXAMPLE",
            &format!("ghp_{}", "x".repeat(36)),
            "xghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z",
            "-----BEGIN PRIVATE KEY-----\" in text",
            "-----BEGIN CERTIFICATE-----\naB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z",
            "sk-loading-spinner-of-a-style-sheet-that-is-long",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}

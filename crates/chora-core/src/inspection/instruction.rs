//! Instructions of an image's history: what they pass on, and how they are shown without it.

use super::{address, token};
use crate::audit::words::{has_password, is_secret, is_worth_hiding};

/// Characters of an instruction that are shown.
const SHOWN: usize = 72;
/// What the classic builder puts before an instruction that runs nothing.
const RUNS_NOTHING: &str = "/bin/sh -c #(nop) ";
/// What builders put before a command.
const SHELL: &str = "/bin/sh -c ";
/// What is shown for a secret.
const HIDDEN: &str = "[redacted]";
/// Beginnings of flags that say that there is no secret.
const DENIALS: [&str; 5] = ["no-", "disabled-", "disable-", "without-", "skip-"];

/// A build argument or a variable that an instruction names with its value.
pub(super) struct Passed<'a> {
    pub(super) is_argument: bool,
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// What an instruction passes on: the arguments before a `RUN` (`|2 A=1 B=2 …`), an `ARG` with a default, an `ENV`.
pub(super) fn passed(text: &str) -> Vec<Passed<'_>> {
    let text = bare(text);
    let (is_argument, rest) = if let Some((arguments, _)) = given(text) {
        (true, arguments)
    } else if let Some(rest) = text.strip_prefix("ARG ") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("ENV ") {
        (false, rest)
    } else {
        return Vec::new();
    };
    let pairs = pairs(rest).into_iter();
    pairs.map(|(name, value)| Passed { is_argument, name, value: value.trim().trim_matches('"') }).collect()
}

/// What the words of an instruction give away, beside what it passes on.
pub(super) fn given_away(text: &str) -> impl Iterator<Item = &'static str> + '_ {
    let text = bare(text);
    let is_passed = ["ARG ", "ENV "].iter().any(|keyword| text.starts_with(keyword));
    let command = given(text).map_or(text, |(_, command)| command);
    command.split_whitespace().filter(move |_| !is_passed).filter_map(word_gives_away)
}

fn word_gives_away(word: &str) -> Option<&'static str> {
    if let Some(found) = token::find(word.as_bytes()).next() {
        return Some(found.what);
    }
    if address::is_in(word) {
        return Some("an address with a password");
    }
    let (name, value) = core(word).split_once('=')?;
    let (name, value) = (name.trim_start_matches('-'), core(value).trim_end_matches(';'));
    // A value of a shell's variable or of a command is not known here.
    let is_literal = is_worth_hiding(value) && !value.starts_with(['$', '`', '<', '{', '%']);
    (is_name(name) && is_secret(name) && is_literal).then_some("a value by whose name it is a secret")
}

/// A word without the quotes and brackets around it.
fn core(word: &str) -> &str {
    word.trim_matches(['"', '\'', '[', ']', ','])
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// `A=one two B=3`: a value ends where the next name begins, which is all that is left of its quotes.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let (mut begins, mut at) = (Vec::new(), 0);
    for word in text.split(' ') {
        if word.split_once('=').is_some_and(|(name, _)| is_name(name)) {
            begins.push(at);
        }
        at += word.len() + 1;
    }
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins.iter().zip(ends).filter_map(|(begin, end)| text.get(*begin..end)?.split_once('=')).collect()
}

/// The build arguments that a `RUN` was given, and its command. Values with spaces cannot be told from the command, but for the
/// shell at which it begins.
fn given(text: &str) -> Option<(&str, &str)> {
    let (count, rest) = text.strip_prefix("RUN ").unwrap_or(text).strip_prefix('|')?.split_once(' ')?;
    let count: usize = count.parse().ok()?;
    if let Some(parts) = rest.split_once(SHELL) {
        return Some(parts);
    }
    let length: usize = rest.split(' ').take(count).map(|word| word.len() + 1).sum();
    Some(rest.split_at_checked(length).unwrap_or((rest, "")))
}

fn bare(text: &str) -> &str {
    text.strip_prefix(RUNS_NOTHING).unwrap_or(text).trim_end_matches("# buildkit").trim()
}

/// An instruction as people wrote it, shortened, with `[redacted]` where a secret may stand.
#[must_use]
pub fn shown(text: &str) -> String {
    let text = bare(text);
    let line = match given(text) {
        Some((_, command)) => format!("RUN {command}"),
        None => text
            .strip_prefix("RUN ")
            .unwrap_or(text)
            .strip_prefix(SHELL)
            .map_or_else(|| text.to_owned(), |command| format!("RUN {command}")),
    };
    let clean = without_secrets(&line);
    if clean.chars().count() <= SHOWN { clean } else { clean.chars().take(SHOWN).chain(['…']).collect() }
}

/// The words of a command, with `[redacted]` where a secret may stand.
#[must_use]
pub fn without_secrets(command: &str) -> String {
    let mut is_announced = false;
    let word = |word: &str| {
        let hides = std::mem::replace(&mut is_announced, announces(word)) && !core(word).starts_with('-');
        if hides { HIDDEN.to_owned() } else { clean(word) }
    };
    command.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether the word after this one is likely a secret: `--token abc`, `Authorization: Bearer abc`, `X-Api-Key: abc`.
fn announces(word: &str) -> bool {
    let word = core(word);
    if let Some(name) = word.strip_prefix('-').map(|rest| rest.trim_start_matches('-')) {
        return is_name(name) && is_secret(name) && !DENIALS.iter().any(|denial| name.starts_with(denial));
    }
    let scheme = word.rsplit(':').next().unwrap_or(word);
    let is_header = word.strip_suffix(':').is_some_and(|name| is_name(name) && is_secret(name));
    is_header || scheme.eq_ignore_ascii_case("bearer")
}

fn clean(word: &str) -> String {
    let named = |name: &str| is_secret(core(name).trim_start_matches('-'));
    if let Some((name, _)) = word.split_once('=').filter(|(name, value)| named(name) && !value.is_empty()) {
        return format!("{name}={HIDDEN}");
    }
    if has_password(word) || token::find(word.as_bytes()).next().is_some() { HIDDEN.to_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{given_away, passed, shown, without_secrets};

    #[test]
    fn instructions_are_shown_without_their_secrets() {
        for (text, expected) in [
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("RUN |2 API_TOKEN=abc VERSION=1 /bin/sh -c make install # buildkit", "RUN make install"),
            ("|1 PASSWORD=two words /bin/sh -c make", "RUN make"),
            ("/bin/sh -c make test", "RUN make test"),
            ("RUN /bin/sh -c curl https://me:pw@host/x # buildkit", "RUN curl [redacted]"),
            ("ENV DB_PASSWORD=hunter2", "ENV DB_PASSWORD=[redacted]"),
            ("RUN /bin/sh -c tool --token=abc", "RUN tool --token=[redacted]"),
            ("COPY . /app # buildkit", "COPY . /app"),
            ("RUN /bin/sh -c tool --api-key abc --verbose --password", "RUN tool --api-key [redacted] --verbose --password"),
            ("CMD [\"tool\" \"--token\" \"abc\" \"x\"]", "CMD [\"tool\" \"--token\" [redacted] \"x\"]"),
            ("RUN /bin/sh -c adduser --disabled-password app", "RUN adduser --disabled-password app"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(
            without_secrets("curl -H 'Authorization: Bearer abc' -H \"X-Api-Token: abc\" x"),
            "curl -H 'Authorization: Bearer [redacted] -H \"X-Api-Token: [redacted] x"
        );
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 73);
    }

    #[test]
    fn what_is_passed_on_is_found() {
        let names = |text| passed(text).into_iter().map(|passed| format!("{} {}", passed.name, passed.value)).collect::<Vec<_>>();
        assert_eq!(names("RUN |2 TOKEN=abc VERSION=1 /bin/sh -c X=2 make"), ["TOKEN abc", "VERSION 1"]);
        assert_eq!(names("/bin/sh -c #(nop)  ARG TOKEN=abc"), ["TOKEN abc"]);
        assert_eq!(names("ENV A=1 B=\"2\""), ["A 1", "B 2"]);
        assert_eq!(names("RUN |2 A=two words TOKEN=abc /bin/sh -c X=2 make"), ["A two words", "TOKEN abc"]);
        assert_eq!(names("RUN |1 TOKEN=abc /bin/bash -c X=2 make"), ["TOKEN abc"]);
        assert!(names("RUN /bin/sh -c A=1 make").is_empty() && names("ARG TOKEN").is_empty());
    }

    #[test]
    fn commands_give_secrets_away() {
        let found = |text: &str| given_away(text).collect::<Vec<_>>();
        let (address, named) = ("an address with a password", "a value by whose name it is a secret");
        for (text, expected) in [
            ("RUN /bin/sh -c pip install --index-url https://me:hunter2@pip.shop/simple x # buildkit", address),
            ("/bin/sh -c API_TOKEN=abc make", named),
            ("RUN |1 VERSION=1 /bin/sh -c tool --password='abc'", named),
            ("/bin/sh -c #(nop)  CMD [\"tool\" \"--token=abc\"]", named),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        for text in [
            "RUN /bin/sh -c API_TOKEN=$(cat /run/secrets/token) make",
            "RUN |1 API_TOKEN=abc /bin/sh -c git clone https://me:${API_TOKEN}@host/x",
            "RUN /bin/sh -c sed -i 's/password=x/password=y/' /etc/x",
            "RUN /bin/sh -c adduser --disabled-password app && PASSWORD= make",
            "ENV API_TOKEN=abc",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}

//! Instructions of an image's history: what they pass on, and how they are shown without it.

use super::token;
use crate::audit::words::{has_password, is_secret};

/// Characters of an instruction that are shown.
const SHOWN: usize = 72;
/// What the classic builder puts before an instruction that runs nothing.
const RUNS_NOTHING: &str = "/bin/sh -c #(nop) ";
/// What builders put before a command.
const SHELL: &str = "/bin/sh -c ";

/// A build argument or a variable that an instruction names with its value.
pub(super) struct Passed<'a> {
    pub(super) is_argument: bool,
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// What an instruction passes on: the arguments before a `RUN` (`|2 A=1 B=2 …`), an `ARG` with a default, an `ENV`.
pub(super) fn passed(text: &str) -> Vec<Passed<'_>> {
    let text = bare(text);
    if let Some((count, rest)) = arguments(text) {
        let words = rest.split(' ').filter_map(|word| word.split_once('=')).take(count);
        return words.map(|(name, value)| Passed { is_argument: true, name, value }).collect();
    }
    let declared = ["ARG ", "ENV "].iter().find_map(|keyword| Some((*keyword == "ARG ", text.strip_prefix(keyword)?)));
    let Some((is_argument, rest)) = declared else { return Vec::new() };
    let words = rest.split(' ').filter_map(|word| word.split_once('='));
    words.map(|(name, value)| Passed { is_argument, name, value: value.trim_matches('"') }).collect()
}

/// How many build arguments a `RUN` was given, and what follows their count.
fn arguments(text: &str) -> Option<(usize, &str)> {
    let (count, rest) = text.strip_prefix("RUN ").unwrap_or(text).strip_prefix('|')?.split_once(' ')?;
    Some((count.parse().ok()?, rest))
}

fn bare(text: &str) -> &str {
    text.strip_prefix(RUNS_NOTHING).unwrap_or(text).trim_end_matches("# buildkit").trim()
}

/// An instruction as people wrote it, shortened, with `[redacted]` where a secret may stand.
#[must_use]
pub fn shown(text: &str) -> String {
    let text = bare(text);
    let line = match arguments(text) {
        // Values with spaces cannot be told from the command: it begins at the shell.
        Some((count, rest)) => {
            let command = rest.split_once(SHELL).map(|(_, command)| command);
            format!("RUN {}", command.or_else(|| rest.splitn(count + 1, ' ').last()).unwrap_or_default())
        }
        None => text
            .strip_prefix("RUN ")
            .unwrap_or(text)
            .strip_prefix(SHELL)
            .map_or_else(|| text.to_owned(), |command| format!("RUN {command}")),
    };
    let clean: Vec<String> = line.split_whitespace().map(word).collect();
    let clean = clean.join(" ");
    if clean.chars().count() <= SHOWN { clean } else { clean.chars().take(SHOWN).chain(['…']).collect() }
}

fn word(word: &str) -> String {
    if let Some((name, _)) = word.split_once('=').filter(|(name, value)| is_secret(name.trim_start_matches('-')) && !value.is_empty()) {
        return format!("{name}=[redacted]");
    }
    if has_password(word) || token::find(word.as_bytes()).next().is_some() { "[redacted]".to_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{passed, shown};

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
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 73);
    }

    #[test]
    fn what_is_passed_on_is_found() {
        let names = |text| passed(text).into_iter().map(|passed| format!("{} {}", passed.name, passed.value)).collect::<Vec<_>>();
        assert_eq!(names("RUN |2 TOKEN=abc VERSION=1 /bin/sh -c X=2 make"), ["TOKEN abc", "VERSION 1"]);
        assert_eq!(names("/bin/sh -c #(nop)  ARG TOKEN=abc"), ["TOKEN abc"]);
        assert_eq!(names("ENV A=1 B=\"2\""), ["A 1", "B 2"]);
        assert!(names("RUN /bin/sh -c A=1 make").is_empty() && names("ARG TOKEN").is_empty());
    }
}

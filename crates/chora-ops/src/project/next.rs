//! Commands in words for people: an environment that a command does not take by itself has to be named in them.

use super::{DEFAULT_ENVIRONMENT, DEVELOPMENT};

/// Commands that work on an environment, with the one they take when none is named.
const COMMANDS: [(&str, &str); 16] = [
    ("abort", DEFAULT_ENVIRONMENT),
    ("build", DEFAULT_ENVIRONMENT),
    ("config", DEFAULT_ENVIRONMENT),
    ("contract", DEFAULT_ENVIRONMENT),
    ("deploy", DEFAULT_ENVIRONMENT),
    ("down", DEVELOPMENT),
    ("exec", DEFAULT_ENVIRONMENT),
    ("health", DEFAULT_ENVIRONMENT),
    ("history", DEFAULT_ENVIRONMENT),
    ("logs", DEFAULT_ENVIRONMENT),
    ("plan", DEFAULT_ENVIRONMENT),
    ("prune", DEFAULT_ENVIRONMENT),
    ("ps", DEFAULT_ENVIRONMENT),
    ("resume", DEFAULT_ENVIRONMENT),
    ("rollback", DEFAULT_ENVIRONMENT),
    ("status", DEFAULT_ENVIRONMENT),
];

/// The same words, with `--env` after every command that would otherwise work on another environment.
#[must_use]
pub fn in_environment(words: &str, environment: &str) -> String {
    if words == "chora up" && environment != DEVELOPMENT {
        return in_environment("chora deploy", environment);
    }
    let mut out = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(at) = rest.find("chora ") {
        let (before, command) = rest.split_at(at);
        out.push_str(before);
        let (command, after) = command.split_at(length(command, out.ends_with('`')));
        out.push_str(command);
        let verb = command.split(' ').nth(1).unwrap_or_default();
        let takes = COMMANDS.iter().find(|(name, _)| *name == verb).map(|(_, takes)| *takes);
        if takes.is_some_and(|takes| takes != environment) && !command.contains(" --env") {
            out.push_str(" --env ");
            out.push_str(environment);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// How much of a text that begins with a command belongs to it: what stands in back quotes, else the verb and what looks like arguments.
fn length(text: &str, quoted: bool) -> usize {
    if quoted {
        return text.find('`').unwrap_or(text.len());
    }
    let mut end = 0;
    for (index, word) in text.split(' ').enumerate() {
        let bare = word.trim_end_matches([',', ';', '.']);
        let argument = word.starts_with("--") || matches!(word, "record" | "diff") || word.starts_with(|c: char| c.is_ascii_uppercase());
        if index > 1 && !argument {
            break;
        }
        end += bare.len() + usize::from(index > 0);
        if bare.len() < word.len() {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::in_environment;

    #[test]
    fn commands_name_an_environment_that_they_would_not_take() {
        for (words, staging) in [
            ("chora health", "chora health --env staging"),
            ("chora resume, or chora abort", "chora resume --env staging, or chora abort --env staging"),
            ("chora rollback VERSION", "chora rollback VERSION --env staging"),
            ("see `chora contract diff web`.", "see `chora contract diff web --env staging`."),
            ("wait for it to end; `chora status` shows it", "wait for it to end; `chora status --env staging` shows it"),
            ("mend it, then chora deploy again", "mend it, then chora deploy --env staging again"),
            ("chora ps --env other", "chora ps --env other"),
            ("chora up", "chora deploy --env staging"),
            ("chora help, or `chora schema`", "chora help, or `chora schema`"),
            ("use the newer chora that wrote it", "use the newer chora that wrote it"),
        ] {
            assert_eq!(in_environment(words, "staging"), staging);
        }
    }

    #[test]
    fn the_environment_that_a_command_takes_by_itself_is_not_named() {
        assert_eq!(in_environment("chora plan", "production"), "chora plan");
        assert_eq!(in_environment("chora up", "production"), "chora deploy");
        assert_eq!(in_environment("`chora down` or `chora ps`", "development"), "`chora down` or `chora ps --env development`");
        assert_eq!(in_environment("`chora down`", "production"), "`chora down --env production`");
        assert_eq!(in_environment("chora up", "development"), "chora up");
    }
}

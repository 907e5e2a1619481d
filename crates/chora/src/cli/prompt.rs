//! Questions to a person at a terminal: on standard error, the default in brackets, again until the answer fits.

use std::io::{self, IsTerminal as _, Write as _};

use chora_ops::init::Open;
use serde_json::Value;

use super::style::{BOLD, DIM, WARN, paint};

/// Which questions a person is asked, of those that nothing has answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those whose defaults are guesses, or that have none.
    Guesses,
    /// All.
    All,
}

/// The person at the terminal; nobody where there is none, or where nothing is to be asked.
pub(crate) fn person(silent: bool, which: Which) -> impl FnMut(&Open<'_>) -> Option<Value> {
    let is_there = !silent && io::stdin().is_terminal() && io::stderr().is_terminal();
    move |open| {
        let is_wanted = which == Which::All || open.question.guess || open.default.is_none();
        if is_there && is_wanted { ask(open, &mut io::stdin().lock()) } else { None }
    }
}

/// Asks once; nothing but the end of the input, or an empty line where there is a default, is no answer.
fn ask(open: &Open<'_>, input: &mut impl io::BufRead) -> Option<Value> {
    loop {
        let mut terminal = anstream::stderr().lock();
        // A terminal that is gone cannot be asked.
        terminal.write_all(prompt(open).as_bytes()).and_then(|()| terminal.flush()).ok()?;
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" if open.default.is_some() => return None,
            "" => {}
            "\"\"" => return Some(Value::from("")),
            text => return Some(Value::from(numbered(text, &open.question.choices))),
        }
    }
}

fn prompt(open: &Open<'_>) -> String {
    let refused = open.refused.as_ref().map_or_else(String::new, |reason| format!("  {}\n", paint(WARN, reason)));
    let choices: String = open
        .question
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| format!("  {} {choice}\n", paint(DIM, format!("{})", index + 1))))
        .collect();
    let default = open.default.as_ref().map_or_else(String::new, |default| format!(" [{}]", shown(default)));
    format!("{refused}{}\n{choices}{}{default}: ", open.question.ask, paint(BOLD, open.name))
}

/// A choice may be given by its number.
fn numbered<'a>(text: &'a str, choices: &'a [String]) -> &'a str {
    let by_number = || choices.get(text.parse::<usize>().ok()?.checked_sub(1)?).map(String::as_str);
    if choices.iter().any(|choice| choice == text) { text } else { by_number().unwrap_or(text) }
}

/// An answer as a person would give it.
pub(crate) fn shown(answer: &Value) -> String {
    match answer {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(words) if words.iter().all(|word| word.as_str().is_some_and(|word| !word.contains(' '))) => {
            match words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ") {
                text if text.is_empty() => "\"\"".to_owned(),
                text => text,
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ask, prompt, shown};
    use chora_ops::init::{Open, Question};
    use serde_json::{Value, json};

    fn question(choices: &[&str]) -> Question {
        serde_json::from_value(json!({"ask": "the language", "choices": choices})).unwrap()
    }

    fn answer(input: &str, question: &Question, default: Option<&Value>) -> Option<Value> {
        ask(&Open { name: "language", question, default: default.cloned(), refused: None }, &mut input.as_bytes())
    }

    #[test]
    fn an_answer_is_a_word_a_number_or_the_default() {
        let (choices, default) = (question(&["python", "go", "3"]), json!("go"));
        assert_eq!(answer("python\n", &choices, Some(&default)), Some(json!("python")));
        assert_eq!(answer("1\n", &choices, Some(&default)), Some(json!("python")));
        assert_eq!(answer("3\n", &choices, Some(&default)), Some(json!("3")));
        assert_eq!(answer("9\n", &choices, Some(&default)), Some(json!("9")), "who asks says that it is none");
        assert_eq!(answer("\n", &choices, Some(&default)), None);
        assert_eq!(answer("\n\n go \n", &choices, None), Some(json!("go")), "without a default it is asked again");
        assert_eq!(answer("", &choices, None), None);
        assert_eq!(answer("\"\"\n", &question(&[]), Some(&default)), Some(json!("")));
    }

    #[test]
    fn a_prompt_tells_what_may_be_said() {
        let question = question(&["python", "go"]);
        let open = Open { name: "language", question: &question, default: Some(json!("go")), refused: Some("not so".into()) };
        let plain = anstream::adapter::strip_str(&prompt(&open)).to_string();
        assert_eq!(plain, "  not so\nthe language\n  1) python\n  2) go\nlanguage [go]: ");
        let told = [json!(""), json!(["a", "b"]), json!(["a b"]), json!([]), json!(true), json!(80)].map(|answer| shown(&answer));
        assert_eq!(told, ["\"\"", "a b", "[\"a b\"]", "\"\"", "yes", "80"]);
    }
}

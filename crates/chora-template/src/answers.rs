//! From what was asked, given and found out to one complete set of answers.

use indexmap::IndexMap;
use serde_json::Value;

use crate::engine::{Engine, TemplateError};
use crate::question::{AnswerType, Form, Question, Questions};

/// Answers by question, in the order of the questions.
pub type Answers = IndexMap<String, Value>;

/// Why there is no complete set of answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A question that nobody answered.
    #[error("`{question}` has no answer: {ask}")]
    Missing {
        /// The question's name.
        question: String,
        /// What it asks.
        ask: String,
        /// What it may be.
        choices: Vec<String>,
    },
    /// An answer of the wrong type or form.
    #[error("the answer `{answer}` to `{question}` is not {expected}")]
    Wrong {
        /// The question's name.
        question: String,
        /// The answer.
        answer: String,
        /// What it has to be.
        expected: String,
    },
    /// A name that the pattern has taken.
    #[error("the answer `{answer}` to `{question}` is taken: the pattern itself uses {}", .taken.join(", "))]
    Taken {
        /// The question's name.
        question: String,
        /// The answer.
        answer: String,
        /// All that is taken.
        taken: Vec<String>,
    },
    /// An answer to nothing that is asked.
    #[error("the pattern does not ask `{question}`")]
    Unknown {
        /// The name.
        question: String,
        /// What is asked, the nearest first.
        near: Option<String>,
    },
    /// A default or a condition of the pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] TemplateError),
}

/// A question on its way to somebody who can be asked.
#[derive(Debug)]
pub struct Open<'a> {
    /// The question's name.
    pub name: &'a str,
    /// The question.
    pub question: &'a Question,
    /// What is taken when nothing is said.
    pub default: Option<Value>,
    /// Why the answer before this one was not taken.
    pub refused: Option<String>,
}

/// Somebody who is asked what was neither given nor found out; `None` takes the default.
pub type Ask<'a> = dyn FnMut(&Open<'_>) -> Option<Value> + 'a;

/// A complete set of answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// The answers.
    pub answers: Answers,
    /// Questions that applied, and were answered by their defaults alone.
    pub assumed: Vec<String>,
}

/// Completes answers: what was given, else what was found out and fits, else what is said when asked, else the default.
///
/// # Errors
/// A question without any of them, an answer that does not fit, one that nobody asked for.
pub fn settle(
    engine: &Engine<'_>,
    questions: &Questions,
    (given, found): (&Answers, &Answers),
    ask: &mut Ask<'_>,
) -> Result<Settled, AnswerError> {
    if let Some(question) = given.keys().find(|name| !questions.contains_key(*name)) {
        let near = chora_syntax::nearest::nearest(question, questions.keys().map(String::as_str)).map(str::to_owned);
        return Err(AnswerError::Unknown { question: question.clone(), near });
    }
    let Settled { mut answers, mut assumed } = Settled::default();
    for (name, question) in questions {
        let asked = question.when.as_ref().map_or(Ok(true), |when| engine.holds(name, when, &answers))?;
        // What was found out is a guess: where it does not fit it is none.
        let known = match given.get(name) {
            Some(answer) if asked => Some(fitting(name, question, answer)?),
            _ => found.get(name).filter(|_| asked).and_then(|answer| fitting(name, question, answer).ok()),
        };
        let default = || default(engine, name, question, &answers);
        let answer = match known.or_else(|| asked.then(|| said((name, question), default().ok().as_ref(), ask)).flatten()) {
            Some(answer) => answer,
            // What does not apply and has no default is not known to templates either.
            None if !asked && question.default.is_none() => continue,
            None => {
                assumed.extend(asked.then(|| name.clone()));
                fitting(name, question, &default()?)?
            }
        };
        answers.insert(name.clone(), answer);
    }
    Ok(Settled { answers, assumed })
}

/// What somebody says who is asked, until it fits.
fn said((name, question): (&str, &Question), default: Option<&Value>, ask: &mut Ask<'_>) -> Option<Value> {
    let mut refused = None;
    loop {
        let answer = ask(&Open { name, question, default: default.cloned(), refused: refused.take() })?;
        match fitting(name, question, &answer) {
            Ok(answer) => return Some(answer),
            Err(error) => refused = Some(error.to_string()),
        }
    }
}

fn default(engine: &Engine<'_>, name: &str, question: &Question, answers: &Answers) -> Result<Value, AnswerError> {
    match &question.default {
        Some(Value::String(line)) => {
            let text = engine.line(name, line, answers)?;
            question.kind.read(&text).ok_or_else(|| wrong(name, &Value::String(text), question.kind.words()))
        }
        Some(value) => Ok(value.clone()),
        None => Err(AnswerError::Missing { question: name.to_owned(), ask: question.ask.clone(), choices: question.choices.clone() }),
    }
}

fn fitting(name: &str, question: &Question, answer: &Value) -> Result<Value, AnswerError> {
    let answer = match answer {
        Value::String(text) if question.kind != AnswerType::Text => {
            question.kind.read(text).ok_or_else(|| wrong(name, answer, question.kind.words()))?
        }
        other => other.clone(),
    };
    let is_right = match question.kind {
        AnswerType::Text => answer.is_string(),
        AnswerType::Integer => answer.is_i64(),
        AnswerType::Boolean => answer.is_boolean(),
        AnswerType::List => answer.as_array().is_some_and(|words| words.iter().all(Value::is_string)),
        AnswerType::Structure => true,
    };
    if !is_right {
        return Err(wrong(name, &answer, question.kind.words()));
    }
    check_choice(name, question, &answer)?;
    check_range(name, question, &answer)?;
    check_form(name, question.form, &answer)?;
    check_taken(name, &question.not_in, &answer)?;
    Ok(answer)
}

fn check_choice(name: &str, question: &Question, answer: &Value) -> Result<(), AnswerError> {
    let is_listed = |text: &str| question.choices.is_empty() || question.choices.iter().any(|choice| choice == text);
    match answer.as_str() {
        Some(text) if !is_listed(text) => Err(wrong(name, answer, &format!("one of {}", question.choices.join(", ")))),
        _ => Ok(()),
    }
}

fn check_range(name: &str, question: &Question, answer: &Value) -> Result<(), AnswerError> {
    match (question.range, answer.as_i64()) {
        (Some((low, high)), Some(number)) if number < low || number > high => {
            Err(wrong(name, answer, &format!("a number from {low} to {high}")))
        }
        _ => Ok(()),
    }
}

fn check_form(name: &str, form: Form, answer: &Value) -> Result<(), AnswerError> {
    match texts(answer).find(|text| !form.fits(text)) {
        Some(_) => Err(wrong(name, answer, &format!("made of {}", form.words()))),
        None => Ok(()),
    }
}

fn check_taken(name: &str, taken: &[String], answer: &Value) -> Result<(), AnswerError> {
    match texts(answer).find(|text| taken.iter().any(|word| word == text)) {
        Some(text) => Err(AnswerError::Taken { question: name.to_owned(), answer: text.to_owned(), taken: taken.to_vec() }),
        None => Ok(()),
    }
}

/// The text, or the words of the list.
fn texts(answer: &Value) -> impl Iterator<Item = &str> {
    answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice).iter().filter_map(Value::as_str)
}

fn wrong(question: &str, answer: &Value, expected: &str) -> AnswerError {
    let answer = answer.as_str().map_or_else(|| answer.to_string(), |text| text.escape_debug().to_string());
    AnswerError::Wrong { question: question.to_owned(), answer, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{AnswerError, Answers, settle};
    use crate::engine::Engine;
    use crate::question::Questions;
    use serde_json::{Value, json};

    const QUESTIONS: &str = "
name: {ask: name, form: slug}
language: {ask: language, choices: [python, go], default: python}
manager: {ask: manager, choices: [pip, uv], default: pip, when: language == 'python'}
port: {ask: port, type: integer, range: [1, 65535], default: '{{ 8000 if language == \"python\" else 8080 }}'}
command: {ask: command, type: list, default: '{{ name }} --serve', not_in: [reboot]}
";

    fn settled(given: &[(&str, Value)], found: &[(&str, Value)]) -> Result<Answers, AnswerError> {
        let questions: Questions = chora_syntax::yaml::read(QUESTIONS, "questions").unwrap();
        let map = |pairs: &[(&str, Value)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (given, found): (Answers, Answers) = (map(given), map(found));
        settle(&Engine::new([]).unwrap(), &questions, (&given, &found), &mut |_| None).map(|settled| settled.answers)
    }

    #[test]
    fn what_is_given_wins_over_what_was_found_and_over_the_default() {
        let answers = settled(&[("port", json!("9000"))], &[("port", json!(1)), ("name", json!("notes"))]).unwrap();
        assert_eq!(
            Value::Object(answers.into_iter().collect()),
            json!({
                "name": "notes", "language": "python", "manager": "pip", "port": 9000, "command": ["notes", "--serve"]
            })
        );
    }

    #[test]
    fn what_was_found_out_and_does_not_fit_is_no_answer() {
        let answers = settled(&[("name", json!("notes"))], &[("language", json!("cobol")), ("port", json!(true))]).unwrap();
        assert_eq!((&answers["language"], &answers["port"]), (&json!("python"), &json!(8000)));
    }

    #[test]
    fn defaults_know_the_answers_before() {
        let answers = settled(&[("name", json!("notes")), ("language", json!("go")), ("manager", json!("uv"))], &[]).unwrap();
        assert_eq!((&answers["port"], &answers["manager"]), (&json!(8080), &json!("pip")), "what is not asked has its default");
    }

    #[test]
    fn who_is_asked_is_asked_again_until_it_fits() {
        let questions: Questions = chora_syntax::yaml::read(QUESTIONS, "questions").unwrap();
        let found = Answers::from_iter([("language".to_owned(), json!("go"))]);
        let (mut heard, mut said) = (Vec::new(), vec![json!("a b"), json!("notes"), json!("0"), json!("81")].into_iter());
        let settled = settle(&Engine::new([]).unwrap(), &questions, (&Answers::new(), &found), &mut |open| {
            heard.push(format!(
                "{} {:?} {}",
                open.name,
                open.default.as_ref().map(ToString::to_string),
                open.refused.as_deref().unwrap_or("-")
            ));
            if open.name == "command" { None } else { said.next() }
        })
        .unwrap();
        let form = "lower-case letters, digits, `-` and `_`, at most 36, a letter or digit at both ends";
        assert_eq!(
            heard,
            [
                "name None -".to_owned(),
                format!("name None the answer `a b` to `name` is not made of {form}"),
                "port Some(\"8080\") -".to_owned(),
                "port Some(\"8080\") the answer `0` to `port` is not a number from 1 to 65535".to_owned(),
                "command Some(\"[\\\"notes\\\",\\\"--serve\\\"]\") -".to_owned(),
            ]
        );
        assert_eq!((&settled.answers["port"], settled.assumed), (&json!(81), vec!["command".to_owned()]));
    }

    #[test]
    fn what_does_not_apply_and_has_no_default_is_left_out() {
        let text = "tls: {ask: tls, type: boolean, default: false}\ncert: {ask: certificate, when: tls}\nname: {ask: name}\n";
        let questions: Questions = chora_syntax::yaml::read(text, "q").unwrap();
        let settled = |given: &[(&str, Value)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            settle(&Engine::new([]).unwrap(), &questions, (&given, &Answers::new()), &mut |_| None)
        };
        let without = settled(&[("name", json!("n"))]).unwrap();
        assert_eq!(without.answers.keys().collect::<Vec<_>>(), ["tls", "name"]);
        assert_eq!(without.assumed, ["tls"]);
        let with = settled(&[("name", json!("n")), ("tls", json!(true)), ("cert", json!("c.pem"))]).unwrap();
        assert_eq!(with.answers["cert"], "c.pem");
        let missing = settled(&[("name", json!("n")), ("tls", json!(true))]).unwrap_err();
        assert!(matches!(missing, AnswerError::Missing { question, .. } if question == "cert"));
    }

    #[test]
    fn a_structure_is_what_yaml_says() {
        let questions: Questions = chora_syntax::yaml::read("services: {ask: services, type: structure, default: '{}'}", "q").unwrap();
        let given = |answer| Answers::from_iter([("services".to_owned(), answer)]);
        let settled = |answers: &Answers| settle(&Engine::new([]).unwrap(), &questions, (answers, &Answers::new()), &mut |_| None);
        let nested = json!({"api": {"ports": [80]}});
        assert_eq!(settled(&given(json!("{api: {ports: [80]}}"))).unwrap().answers["services"], nested);
        assert_eq!(settled(&given(nested.clone())).unwrap().answers["services"], nested);
        assert_eq!(settled(&Answers::new()).unwrap().answers["services"], json!({}));
        assert!(settled(&given(json!("{api:"))).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let cases = [
            ("port", json!("many"), "the answer `many` to `port` is not a whole number"),
            ("port", json!(0), "the answer `0` to `port` is not a number from 1 to 65535"),
            ("port", json!(true), "the answer `true` to `port` is not a whole number"),
            ("language", json!("cobol"), "the answer `cobol` to `language` is not one of python, go"),
            ("command", json!([1]), "the answer `[1]` to `command` is not a list of words"),
            ("command", json!(["notes", "reboot"]), "the answer `reboot` to `command` is taken: the pattern itself uses reboot"),
            ("lang", json!("go"), "the pattern does not ask `lang`"),
        ];
        for (name, answer, message) in cases {
            assert_eq!(settled(&[("name", json!("n")), (name, answer)], &[]).unwrap_err().to_string(), message);
        }
        let long = "a".repeat(37);
        for name in [long.as_str(), "", "Notes", "-a", "a b", "a\nb", "a\"", "$a"] {
            assert!(matches!(settled(&[("name", json!(name))], &[]), Err(AnswerError::Wrong { .. })), "{name:?}");
        }
        assert!(matches!(settled(&[], &[]), Err(AnswerError::Missing { question, .. }) if question == "name"));
    }
}

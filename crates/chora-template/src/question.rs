//! What a pattern asks: the type of the answer, its default, and what it may be.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Questions by the names that templates know their answers by, in the order in which they are asked.
pub type Questions = IndexMap<String, Question>;

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked, for people.
    pub ask: String,
    /// What the answer is.
    #[serde(rename = "type", default)]
    pub kind: AnswerType,
    /// The answer unless another one is given; texts may be lines of a template, which know the answers before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// All that it may be; any where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// What it, or a word of it, must not be: names that the pattern has taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_in: Vec<String>,
    /// The default is a guess about the project: a person at a terminal is asked all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guess: bool,
    /// Only asked where this holds; otherwise the default is the answer, and without a default there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What a text may look like.
    #[serde(default, skip_serializing_if = "Form::is_any")]
    pub form: Form,
    /// The smallest and the largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(i64, i64)>,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerType {
    /// A line of text.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// Words, such as a command and its arguments.
    List,
    /// Anything that YAML can say: maps, lists, and what is in them.
    Structure,
}

/// What a text, or each word of a list, may look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Any line.
    #[default]
    Any,
    /// Lower-case letters, digits, `-` and `_`, a letter or digit first: names of services and images.
    Slug,
    /// What needs no quotes anywhere: letters, digits, and `. _ - / : @ + ~ =`.
    Word,
}

/// The longest name: project, environment, service, release and number together are one label of DNS, of 63 characters.
const LONGEST_NAME: usize = 36;

impl Form {
    const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// Whether a text has this form.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match self {
            Self::Any => !text.chars().any(char::is_control),
            Self::Slug => {
                text.len() <= LONGEST_NAME
                    && text.starts_with(plain)
                    && text.ends_with(plain)
                    && text.chars().all(|c| plain(c) || matches!(c, '-' | '_'))
            }
            Self::Word => text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@+~=".contains(c)),
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Any => "one line of text",
            Self::Slug => "lower-case letters, digits, `-` and `_`, at most 36, a letter or digit at both ends",
            Self::Word => "letters, digits and . _ - / : @ + ~ =",
        }
    }
}

impl AnswerType {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::List => "a list of words",
            Self::Structure => "YAML",
        }
    }

    /// The answer that a person wrote on the command line; `None` when it cannot be one.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::from(text)),
            Self::Integer => text.trim().parse::<i64>().ok().map(Value::from),
            Self::Boolean => match text.trim() {
                "true" | "yes" => Some(Value::Bool(true)),
                "false" | "no" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::List if text.trim_start().starts_with('[') => serde_json::from_str(text).ok().filter(Value::is_array),
            Self::List => Some(Value::from(text.split_whitespace().collect::<Vec<_>>())),
            Self::Structure => chora_syntax::yaml::read(text, "the answer").ok(),
        }
    }
}

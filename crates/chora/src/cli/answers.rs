//! Answers to the questions of a pattern, from the command line and from a file.

use std::path::PathBuf;

use chora_ops::{Failure, FailureKind};
use clap::Args;
use indexmap::IndexMap;
use serde_json::Value;

/// Where answers come from; `--set` wins over the file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AnswerArgs {
    /// Take answers from this YAML or JSON file
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Answer a question of the pattern; may be repeated
    #[arg(long, value_name = "NAME=ANSWER")]
    set: Vec<String>,
    /// Ask nothing: what is not given is found out or has its default
    #[arg(long)]
    yes: bool,
}

impl AnswerArgs {
    /// Whether nobody is to be asked.
    pub(crate) const fn is_silent(&self) -> bool {
        self.yes
    }

    pub(crate) fn read(&self) -> Result<IndexMap<String, Value>, Failure> {
        let refused = |message: String, hint: &str| Failure::new(FailureKind::Invalid, message).hint(hint);
        let mut answers = match &self.answers {
            None => IndexMap::new(),
            Some(file) => {
                let name = file.display();
                let text = std::fs::read_to_string(file)
                    .map_err(|error| refused(format!("the answers in {name} cannot be read: {error}"), "name a file with --answers"))?;
                chora_syntax::yaml::read::<IndexMap<String, Value>>(&text, &name.to_string()).map_err(|found| {
                    let details = found.render(false).lines().map(str::to_owned).collect();
                    refused(format!("the answers in {name} are not right"), "write one `name: answer` on each line").details(details)
                })?
            }
        };
        for pair in &self.set {
            let (name, answer) =
                pair.split_once('=').ok_or_else(|| refused(format!("`{pair}` is no answer"), "write --set NAME=ANSWER"))?;
            answers.insert(name.trim().to_owned(), Value::from(answer));
        }
        Ok(answers)
    }
}

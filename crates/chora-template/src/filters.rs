//! Filters that put a text between quotes, so that an answer is never anything but a value.

use minijinja::Value;

/// A text for a YAML file that Compose interpolates.
pub(crate) fn compose(value: &Value) -> String {
    quoted(value).replace('$', "$$")
}

/// A text for a YAML file that nothing interpolates.
pub(crate) fn yaml(value: &Value) -> String {
    quoted(value)
}

/// A text for a `LABEL` or `ENV` instruction of a Dockerfile.
pub(crate) fn dockerfile(value: &Value) -> String {
    quoted(value).replace('$', "\\$")
}

/// A list of words in the exec form of Dockerfiles and Compose files.
pub(crate) fn exec(value: &Value) -> Result<String, minijinja::Error> {
    let words: Vec<String> = value.try_iter()?.map(|word| quoted(&word)).collect();
    Ok(format!("[{}]", words.join(", ")))
}

/// JSON is YAML, and what a Dockerfile takes between double quotes.
fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    serde_json::Value::String(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{compose, dockerfile, exec, yaml};
    use minijinja::Value;

    #[test]
    fn an_answer_stays_a_value() {
        let text = Value::from("a \"b\": $HOME\\ #c");
        assert_eq!(yaml(&text), r#""a \"b\": $HOME\\ #c""#);
        assert_eq!(compose(&text), r#""a \"b\": $$HOME\\ #c""#);
        assert_eq!(dockerfile(&text), r#""a \"b\": \$HOME\\ #c""#);
        assert_eq!(exec(&Value::from(vec!["python", "-m", "a b"])).unwrap(), r#"["python", "-m", "a b"]"#);
    }
}

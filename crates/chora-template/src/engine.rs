//! The template engine: Jinja2 semantics on texts in memory, every unknown name an error, work and size limited.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};

use crate::answers::Answers;
use crate::filters;

/// Instructions that one template may take; the largest of the catalogue takes a few thousand.
const FUEL: u64 = 1_000_000;
/// Calls, includes and macros inside each other.
const DEPTH: usize = 40;
/// The largest file, in bytes.
const SIZE: usize = 1 << 20;

/// Why a template gave no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is wrong, or asks for what is not there.
    #[error("{template}, line {line}: {message}")]
    Failed {
        /// The template's name.
        template: String,
        /// Line, counted from one; zero when unknown.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// It takes more work than a template may.
    #[error("{template} takes too many steps: it may take {FUEL}")]
    TooLong {
        /// The template's name.
        template: String,
    },
    /// Its text is larger than a file may be.
    #[error("{template} writes too much: a file may have {SIZE} bytes")]
    TooLarge {
        /// The template's name.
        template: String,
    },
}

/// Templates that can include each other, and nothing else.
pub struct Engine<'a>(Environment<'a>);

impl<'a> Engine<'a> {
    /// An engine that knows these templates, by name.
    ///
    /// # Errors
    /// The first one that is no template.
    pub fn new(templates: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.add_filter("compose", |value: Value| filters::compose(&value));
        environment.add_filter("yaml", |value: Value| filters::yaml(&value));
        environment.add_filter("dockerfile", |value: Value| filters::dockerfile(&value));
        environment.add_filter("exec", |value: Value| filters::exec(&value));
        for (name, text) in templates {
            environment.add_template(name, text).map_err(|error| explained(name, &error))?;
        }
        Ok(Self(environment))
    }

    /// The text of a template.
    ///
    /// # Errors
    /// Unknown template or name, wrong use, too much work, too much text.
    pub fn render(&self, name: &str, answers: &Answers) -> Result<String, TemplateError> {
        let template = self.0.get_template(name).map_err(|error| explained(name, &error))?;
        let mut sheet = Sheet::default();
        let rendered = template.render_captured_to(Serde(answers), &mut sheet).map(drop);
        sheet.text(name, rendered)
    }

    /// The text of a line that stands in a manifest.
    ///
    /// # Errors
    /// As for a template.
    pub fn line(&self, name: &str, line: &str, answers: &Answers) -> Result<String, TemplateError> {
        if !line.contains('{') {
            return Ok(line.to_owned());
        }
        let mut sheet = Sheet::default();
        let template = self.0.template_from_named_str(name, line).map_err(|error| explained(name, &error))?;
        let rendered = template.render_captured_to(Serde(answers), &mut sheet).map(drop);
        sheet.text(name, rendered)
    }

    /// Whether a condition of a manifest holds.
    ///
    /// # Errors
    /// As for a template.
    pub fn holds(&self, name: &str, condition: &str, answers: &Answers) -> Result<bool, TemplateError> {
        let expression = self.0.compile_expression_owned(condition.to_owned()).map_err(|error| explained(name, &error))?;
        let value = expression.eval(Serde(answers)).map_err(|error| explained(name, &error))?;
        Ok(value.is_true())
    }
}

/// Where a template writes, up to the size of a file.
#[derive(Default)]
struct Sheet {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Sheet {
    fn text(self, name: &str, rendered: Result<(), minijinja::Error>) -> Result<String, TemplateError> {
        if self.is_full {
            return Err(TemplateError::TooLarge { template: name.to_owned() });
        }
        rendered.map_err(|error| explained(name, &error))?;
        Ok(String::from_utf8_lossy(&self.bytes).into_owned())
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > SIZE {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn explained(name: &str, error: &minijinja::Error) -> TemplateError {
    let template = error.name().filter(|known| !known.starts_with('<')).unwrap_or(name).to_owned();
    if error.kind() == ErrorKind::OutOfFuel {
        return TemplateError::TooLong { template };
    }
    let message = match (error.kind(), error.detail()) {
        (kind, Some(detail)) if !detail.is_empty() => format!("{kind}: {detail}"),
        (ErrorKind::UndefinedError, _) => format!("{}: a name that has no answer", error.kind()),
        (kind, _) => kind.to_string(),
    };
    TemplateError::Failed { template, line: error.line().unwrap_or_default(), message }
}

#[cfg(test)]
mod tests {
    use super::{Engine, TemplateError};
    use crate::answers::Answers;
    use serde_json::json;

    fn rendered(text: &str) -> Result<String, TemplateError> {
        let answers = Answers::from_iter([("name".to_owned(), json!("notes")), ("ports".to_owned(), json!([1, 2]))]);
        Engine::new([("t", text), ("part", "part of {{ name }}\n")])?.render("t", &answers)
    }

    #[test]
    fn blocks_leave_no_lines_behind() {
        assert_eq!(rendered("a:\n  {% for port in ports %}\n  - {{ port }}\n  {% endfor %}\nb\n").unwrap(), "a:\n  - 1\n  - 2\nb\n");
        assert_eq!(rendered("{% include 'part' %}end\n").unwrap(), "part of notes\nend\n");
    }

    #[test]
    fn what_is_unknown_is_an_error_with_its_line() {
        let TemplateError::Failed { template, line, .. } = rendered("a\n{{ nmae }}\n").unwrap_err() else { panic!("another error") };
        assert_eq!((template.as_str(), line), ("t", 2));
        for text in ["{% if nmae %}{% endif %}", "{{ name|nofilter }}", "{% include '/etc/passwd' %}", "{% include '../t' %}", "{{ 1/0 }}"]
        {
            assert!(rendered(text).is_err(), "{text}");
        }
    }

    #[test]
    fn work_and_size_have_an_end() {
        let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a * b %}{% endfor %}{% endfor %}";
        assert_eq!(rendered(loops), Err(TemplateError::TooLong { template: "t".into() }));
        let large = "{% for a in range(9999) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}";
        assert_eq!(rendered(large), Err(TemplateError::TooLarge { template: "t".into() }));
        assert!(rendered("{% include 't' %}").is_err());
    }
}

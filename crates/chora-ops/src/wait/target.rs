//! One thing to wait for.

use std::time::Duration;

use chora_core::model::health::HttpProbe;

use super::postgres::{self, Login};
use crate::probe::{ProbeRequest, Question, TargetError, Url, run, without_password};

/// A target that can be asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    shown: String,
    way: Way,
}

#[derive(Debug, Clone, PartialEq)]
enum Way {
    Probe(Box<Question>),
    Postgres(Login),
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, TargetError> {
        let shown = without_password(text);
        let malformed = |reason: &str| TargetError::Malformed { target: shown.clone(), reason: reason.to_owned() };
        if !text.contains("://") {
            return Err(malformed("it should begin with `tcp://`, `http://` or `postgres://`"));
        }
        let url = Url::parse(text, "")?;
        // SQLAlchemy writes the driver into the scheme: `postgresql+asyncpg://`.
        let way = match url.scheme.split('+').next().unwrap_or_default() {
            "tcp" if url.port.is_none() => return Err(malformed("it names no port")),
            "tcp" => Way::Probe(Box::new(Question::Tcp { target: format!("tcp://{}", url.authority()) })),
            "http" => Way::Probe(Box::new(Question::Http {
                url: format!("http://{}{}", url.authority(), url.path),
                conditions: HttpProbe::default(),
            })),
            "https" => return Err(TargetError::Tls { target: shown }),
            "postgres" | "postgresql" => Way::Postgres(Login::from_url(&url).ok_or_else(|| malformed("its database is no name"))?),
            _ => return Err(malformed("it should begin with `tcp://`, `http://` or `postgres://`")),
        };
        Ok(Self { shown, way })
    }

    /// Asks once: the answer when it is ready, what is missing when it is not.
    pub(super) async fn ask(&self, limit: Duration) -> Result<String, String> {
        match &self.way {
            Way::Postgres(login) => postgres::ask(login, limit).await,
            Way::Probe(question) => {
                let request = ProbeRequest { question: (**question).clone(), limit };
                match run(&request).await {
                    Ok(outcome) if outcome.ok => Ok(outcome.answer.answered),
                    Ok(outcome) => Err(outcome.answer.answered),
                    // A name that is not known yet may be soon: its container has not started.
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn targets_are_refused_by_name() {
        let cases = [
            ("db:5432", "`db:5432` is not a target: it should begin with `tcp://`, `http://` or `postgres://`"),
            ("tcp://db", "`tcp://db` is not a target: it names no port"),
            ("mysql://u:p@db", "`mysql://u@db` is not a target: it should begin with `tcp://`, `http://` or `postgres://`"),
        ];
        for (text, message) in cases {
            assert_eq!(Target::parse(text).unwrap_err().to_string(), message);
        }
        assert!(Target::parse("https://h/").unwrap_err().to_string().contains("needs TLS"));
        let shown = Target::parse("postgresql+asyncpg://me:secret@db/shop").unwrap().to_string();
        assert_eq!(shown, "postgresql+asyncpg://me@db/shop");
    }
}

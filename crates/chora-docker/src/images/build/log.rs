//! What a build said: lines for people now, the last ones for a failure.

use std::collections::{HashSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use chora_core::model::image::ImageBuild;
use chora_core::ports::engine::ProgressSink;
use prost::Message;

/// Lines kept for a failure.
const KEPT: usize = 20;
/// Shorter values are not looked for: they would blot out ordinary words.
const SHORTEST_SECRET: usize = 4;

pub(super) struct BuildLog<'a> {
    progress: ProgressSink<'a>,
    last: VecDeque<String>,
    secrets: Vec<String>,
    started: HashSet<String>,
    /// A line of the classic builder that has not ended yet.
    pending: String,
}

impl<'a> BuildLog<'a> {
    pub(super) fn new(build: &ImageBuild, progress: ProgressSink<'a>) -> Self {
        let text = |secret: &[u8]| std::str::from_utf8(secret).ok().map(|text| text.trim().to_owned());
        let values = build.secrets.values().filter_map(|secret| text(secret.expose()));
        let secrets = values.filter(|text| text.len() >= SHORTEST_SECRET).collect();
        Self { progress, last: VecDeque::new(), secrets, started: HashSet::new(), pending: String::new() }
    }

    /// Replaces what a step may have printed of a build secret.
    pub(super) fn redacted(&self, line: &str) -> String {
        self.secrets.iter().fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), "[redacted]"))
    }

    fn add_line(&mut self, line: &str) {
        let line = self.redacted(line.trim_end());
        if line.is_empty() {
            return;
        }
        (self.progress)(&line);
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Adds words of the classic builder, which cuts where it likes.
    pub(super) fn add_text(&mut self, text: &str) {
        self.pending.push_str(text);
        while let Some((line, rest)) = self.pending.split_once('\n') {
            let (line, rest) = (line.to_owned(), rest.to_owned());
            self.pending = rest;
            self.add_line(&line);
        }
    }

    /// Adds a `BuildKit` status; what cannot be read is left out, the build goes on.
    pub(super) fn add_trace(&mut self, trace: &str) {
        let status = STANDARD.decode(trace).ok().and_then(|bytes| StatusResponse::decode(bytes.as_slice()).ok());
        let Some(status) = status else { return };
        for vertex in status.vertexes {
            if vertex.started.is_some() && self.started.insert(vertex.digest) {
                let mark = if vertex.cached { " (cached)" } else { "" };
                self.add_line(&format!("{}{mark}", vertex.name));
            }
        }
        for log in status.logs {
            for line in String::from_utf8_lossy(&log.msg).lines() {
                self.add_line(line);
            }
        }
    }

    pub(super) fn last_lines(&mut self) -> Vec<String> {
        let rest = std::mem::take(&mut self.pending);
        self.add_line(&rest);
        self.last.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chora_core::model::image::ImageBuild;
    use chora_core::model::secret::Secret;
    use indexmap::IndexMap;

    use super::BuildLog;

    #[test]
    fn lines_are_joined_kept_and_redacted() {
        let build = ImageBuild {
            service: String::new(),
            build: chora_core::compose::Build::default(),
            args: IndexMap::new(),
            dockerfile: String::new(),
            tags: vec![],
            labels: IndexMap::new(),
            platform: None,
            secrets: [("token".to_owned(), Secret::new(b"hunter2\n".to_vec()))].into(),
            context: bytes::Bytes::new(),
        };
        let seen = Mutex::new(Vec::new());
        let sink = |line: &str| seen.lock().unwrap().push(line.to_owned());
        let mut log = BuildLog::new(&build, &sink);
        log.add_text("Step 1");
        log.add_text("/2\nit is hunter2\n");
        (0..30).for_each(|number| log.add_text(&format!("{number}\n")));
        assert_eq!(seen.lock().unwrap()[..2], ["Step 1/2", "it is [redacted]"]);
        assert_eq!(log.last_lines().len(), 20);
    }
}

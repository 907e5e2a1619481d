//! What we wrote into a client's file and what stood there before, kept beside it until it is undone.

use std::collections::BTreeMap;

use serde_json::Value;

use super::file::ClientFile;
use crate::failure::{Failure, FailureKind};

/// What is to be undone in one file.
#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pub(super) made_file: bool,
    pub(super) made_folder: bool,
    pub(super) made_section: bool,
    pub(super) entries: BTreeMap<String, Written>,
}

/// One entry of ours.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Written {
    pub(super) ours: Value,
    /// As it was spelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
}

impl Memory {
    /// Reads it; nothing where nothing of ours is in the file.
    pub(super) fn read(file: &ClientFile) -> Result<Option<Self>, Failure> {
        let path = file.memory();
        let Some(text) = ClientFile::read(&path)?.text else { return Ok(None) };
        let broken = |error: serde_json::Error| {
            let failure = Failure::new(FailureKind::Conflict, format!("{} cannot be understood: {error}", path.display()));
            failure.state("nothing was changed").hint("remove it; what chora wrote before is then yours to remove")
        };
        serde_json::from_str(&text).map(Some).map_err(broken)
    }

    pub(super) fn save(&self, file: &ClientFile) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::new(FailureKind::Internal, format!("the memory cannot be written as JSON: {error}")))?;
        file.remember(&format!("{text}\n"))
    }

    /// Notes what is about to be written. What stood there first comes back, unless somebody has put something else there since.
    pub(super) fn note(&mut self, name: &str, ours: &Value, there: Option<(&Value, &str)>) {
        let earlier = self.entries.remove(name);
        let before = match (earlier, there) {
            (Some(earlier), Some((now, _))) if is_ours(&earlier.ours, now) => earlier.before,
            (_, there) => there.map(|(_, raw)| raw.to_owned()),
        };
        self.entries.insert(name.to_owned(), Written { ours: ours.clone(), before });
    }
}

/// It still holds what we wrote; clients add fields of their own, such as `disabled`.
pub(super) fn is_ours(ours: &Value, now: &Value) -> bool {
    match (ours, now) {
        (Value::Object(ours), Value::Object(now)) => ours.iter().all(|(key, value)| now.get(key) == Some(value)),
        _ => ours == now,
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, is_ours};
    use serde_json::json;

    #[test]
    fn an_entry_stays_ours_while_it_leads_where_we_said() {
        let ours = json!({ "url": "a", "headers": { "X": "b" } });
        assert!(is_ours(&ours, &ours));
        assert!(is_ours(&ours, &json!({ "disabled": true, "headers": { "X": "b" }, "url": "a" })));
        assert!(!is_ours(&ours, &json!({ "url": "a" })));
        assert!(!is_ours(&ours, &json!({ "url": "a", "headers": { "X": "c" } })));
        assert!(!is_ours(&ours, &json!(null)));
    }

    #[test]
    fn what_stood_there_first_is_remembered_through_later_writes() {
        let (one, two, theirs) = (json!({ "url": "1" }), json!({ "url": "2" }), json!({ "url": "3" }));
        let mut memory = Memory::default();
        let before = |memory: &Memory| memory.entries["n"].before.clone();
        memory.note("n", &one, Some((&theirs, "THEIRS")));
        memory.note("n", &two, Some((&one, "ONE")));
        assert_eq!(before(&memory).as_deref(), Some("THEIRS"));
        memory.note("n", &one, Some((&theirs, "LATER")));
        assert_eq!(before(&memory).as_deref(), Some("LATER"));
        memory.note("n", &one, None);
        assert_eq!(before(&memory), None);
    }
}

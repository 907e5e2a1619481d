//! `security_opt` as the engine takes it.

use chora_core::compose;
use chora_core::ports::EngineError;

pub(super) fn options(service: &compose::Service) -> Result<Option<Vec<String>>, EngineError> {
    let mut options = Vec::new();
    for option in &service.security_opt {
        // Older files write `key:value`.
        let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some((key, value)) => (key, Some(value)),
            None => (option.as_str(), None),
        };
        match (key, value) {
            ("systempaths", Some("unconfined")) => {}
            ("seccomp", Some(profile)) if !matches!(profile, "unconfined" | "builtin") && !profile.starts_with('{') => {
                options.push(format!("seccomp={}", read_profile(profile)?));
            }
            (key, Some(value)) => options.push(format!("{key}={value}")),
            (key, None) => options.push(key.to_owned()),
        }
    }
    Ok((!options.is_empty()).then_some(options))
}

/// The engine takes the profile itself, not the name of its file.
fn read_profile(path: &str) -> Result<String, EngineError> {
    let invalid = |reason: String| EngineError::Invalid { reason: format!("seccomp profile `{path}`: {reason}") };
    let bytes = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let profile: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    Ok(profile.to_string())
}

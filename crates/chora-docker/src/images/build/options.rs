//! The `build` section as the parameters of a build request.

use std::io::Read;

use chora_core::model::image::ImageBuild;
use chora_core::ports::EngineError;
use serde_json::{Value, json};

/// Translates every key that the engine's build request can say; refuses the others by name.
pub(super) fn query(build: &ImageBuild, buildkit: bool) -> Result<Vec<(&'static str, String)>, EngineError> {
    let section = &build.build;
    refuse_others(build, buildkit)?;
    let mut args: serde_json::Map<String, Value> = build.args.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    if !section.cache_to.is_empty() {
        args.insert("BUILDKIT_INLINE_CACHE".to_owned(), json!("1"));
    }
    let labels: serde_json::Map<String, Value> =
        section.labels.iter().chain(&build.labels).map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut query = vec![
        ("dockerfile", build.dockerfile.clone()),
        ("buildargs", Value::Object(args).to_string()),
        ("labels", Value::Object(labels).to_string()),
    ];
    query.extend(build.tags.iter().map(|tag| ("t", tag.clone())));
    query.extend(section.extra_hosts.iter().map(|entry| ("extrahosts", entry.replacen('=', ":", 1))));
    let mut say = |key, value: Option<String>| query.extend(value.map(|value| (key, value)));
    say("target", section.target.clone());
    say("platform", build.platform.clone());
    say("networkmode", section.network.clone());
    say("nocache", section.no_cache.then(|| "1".to_owned()));
    say("pull", section.pull.then(|| "1".to_owned()));
    say("shmsize", section.shm_size.map(|size| size.0.to_string()));
    if !section.cache_from.is_empty() {
        say("cachefrom", Some(json!(cache_sources(build)?).to_string()));
    }
    if !section.ulimits.is_empty() {
        let limits = section.ulimits.iter().map(|(name, limit)| json!({ "Name": name, "Soft": limit.soft, "Hard": limit.hard }));
        say("ulimits", Some(Value::Array(limits.collect()).to_string()));
    }
    Ok(query)
}

fn refuse_others(build: &ImageBuild, buildkit: bool) -> Result<(), EngineError> {
    let section = &build.build;
    let inline = section.cache_to.iter().all(|target| target == "type=inline");
    let refused = [
        ("additional_contexts", !section.additional_contexts.is_empty()),
        ("cache_to", !inline),
        ("entitlements", !section.entitlements.is_empty()),
        ("isolation", section.isolation.as_ref().is_some_and(|isolation| isolation != "default")),
        ("privileged", section.privileged),
        ("ssh", !section.ssh.is_empty()),
        ("secrets (this engine has no BuildKit)", !build.secrets.is_empty() && !buildkit),
    ];
    match refused.into_iter().find(|(_, is_asked)| *is_asked) {
        Some((key, _)) => {
            Err(EngineError::Invalid { reason: format!("build of `{}`: the engine's own builder does not take `{key}`", build.service) })
        }
        None => Ok(()),
    }
}

/// The request names registry images only.
fn cache_sources(build: &ImageBuild) -> Result<Vec<String>, EngineError> {
    let source = |entry: &String| -> Option<String> {
        if !entry.contains('=') {
            return Some(entry.clone());
        }
        let field = |key: &str| entry.split(',').find_map(|part| part.strip_prefix(key)).map(str::to_owned);
        (field("type=")? == "registry").then(|| field("ref=")).flatten()
    };
    let refused = |entry: &String| EngineError::Invalid {
        reason: format!("build of `{}`: the engine's own builder does not take `cache_from: {entry}`", build.service),
    };
    build.build.cache_from.iter().map(|entry| source(entry).ok_or_else(|| refused(entry))).collect()
}

/// Finds the image that a `# syntax=` line at the top of the Dockerfile names.
pub(super) fn front_end(build: &ImageBuild) -> Option<String> {
    let mut archive = tar::Archive::new(build.context.as_ref());
    let wanted = build.dockerfile.trim_start_matches("./");
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        if entry.path().ok()?.strip_prefix("./").map_or_else(|_| entry.path().ok(), |path| Some(path.to_owned().into()))?.to_str()?
            != wanted
        {
            continue;
        }
        let mut text = String::new();
        entry.by_ref().take(4096).read_to_string(&mut text).ok()?;
        let directive = text.lines().map_while(|line| line.trim().strip_prefix('#')).find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim().eq_ignore_ascii_case("syntax")).then(|| value.trim().to_owned())
        });
        return directive;
    }
    None
}

#[cfg(test)]
mod tests {
    use chora_core::compose::Build;
    use chora_core::model::image::ImageBuild;
    use indexmap::IndexMap;

    use super::{front_end, query};

    fn build(dockerfile: &str, section: Build) -> ImageBuild {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(dockerfile.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).unwrap();
        ImageBuild {
            service: "web".into(),
            build: section,
            args: IndexMap::new(),
            dockerfile: "Dockerfile".into(),
            tags: vec![],
            labels: IndexMap::new(),
            platform: None,
            secrets: IndexMap::new(),
            context: archive.into_inner().unwrap().into(),
        }
    }

    #[test]
    fn a_front_end_is_found_in_the_first_comment_lines_only() {
        assert_eq!(front_end(&build("# syntax=docker/dockerfile:1\nFROM a", Build::default())).as_deref(), Some("docker/dockerfile:1"));
        assert_eq!(front_end(&build("FROM a\n# syntax=b", Build::default())), None);
    }

    #[test]
    fn keys_that_the_request_cannot_say_are_refused_by_name() {
        let ssh = Build { ssh: vec!["default".into()], ..Build::default() };
        assert!(query(&build("", ssh), true).unwrap_err().to_string().contains("`ssh`"));
        let cache = Build { cache_from: vec!["type=registry,ref=a/b:1".into(), "c".into()], ..Build::default() };
        let query = query(&build("", cache), true).unwrap();
        assert!(query.contains(&("cachefrom", r#"["a/b:1","c"]"#.into())));
    }
}

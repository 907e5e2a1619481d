//! A build as the arguments of `docker buildx build`: the very request that the engine gets, and what only BuildKit's own client can say.

use chora_core::model::image::ImageBuild;

use crate::failure::{Failure, FailureKind};

/// What is said beside the build itself.
pub(super) struct Beside<'a> {
    /// The builder's name.
    pub(super) builder: &'a str,
    /// `name:tag` to push.
    pub(super) reference: &'a str,
    pub(super) platforms: &'a [String],
    /// Where buildx is to write what it has made.
    pub(super) metadata: String,
    /// Where its Dockerfile is, and its context.
    pub(super) dockerfile: &'a str,
    pub(super) context: &'a str,
    /// Files of secrets by id.
    pub(super) secrets: &'a [(String, String)],
}

/// Translates every key of the `build` section; refuses by name what buildx cannot do either.
pub(super) fn arguments(build: &ImageBuild, beside: &Beside<'_>) -> Result<Vec<String>, Failure> {
    let section = &build.build;
    refuse_others(build)?;
    let mut words: Vec<String> = ["build", "--push", "--progress", "plain", "--provenance=false", "--sbom=false"].map(str::to_owned).into();
    let mut say = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    say("--builder", beside.builder.to_owned());
    say("--platform", beside.platforms.join(","));
    say("--tag", beside.reference.to_owned());
    say("--metadata-file", beside.metadata.clone());
    say("--file", beside.dockerfile.to_owned());
    // An index for one platform, too (BuildKit, docs of the Dockerfile frontend).
    say("--build-arg", "BUILDKIT_MULTI_PLATFORM=1".to_owned());
    build.args.iter().for_each(|(key, value)| say("--build-arg", format!("{key}={value}")));
    section.labels.iter().chain(&build.labels).for_each(|(key, value)| say("--label", format!("{key}={value}")));
    beside.secrets.iter().for_each(|(id, path)| say("--secret", row(&[("id", id), ("src", path)])));
    section.ssh.iter().for_each(|entry| say("--ssh", entry.clone()));
    section.cache_from.iter().for_each(|entry| say("--cache-from", entry.clone()));
    section.cache_to.iter().for_each(|entry| say("--cache-to", entry.clone()));
    section.additional_contexts.iter().for_each(|(name, place)| say("--build-context", format!("{name}={place}")));
    section.extra_hosts.iter().for_each(|entry| say("--add-host", entry.replacen('=', ":", 1)));
    section.entitlements.iter().for_each(|entry| say("--allow", entry.clone()));
    section.no_cache_filter.iter().for_each(|stage| say("--no-cache-filter", stage.clone()));
    section.ulimits.iter().for_each(|(name, limit)| say("--ulimit", format!("{name}={}:{}", limit.soft, limit.hard)));
    section.target.iter().for_each(|target| say("--target", target.clone()));
    section.network.iter().for_each(|network| say("--network", network.clone()));
    section.shm_size.iter().for_each(|size| say("--shm-size", size.0.to_string()));
    if section.privileged {
        say("--allow", "security.insecure".to_owned());
    }
    words.extend(
        [(section.no_cache, "--no-cache"), (section.pull, "--pull")].into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag.to_owned()),
    );
    words.push(beside.context.to_owned());
    Ok(words)
}

fn refuse_others(build: &ImageBuild) -> Result<(), Failure> {
    let section = &build.build;
    let is_windows = section.isolation.as_ref().is_some_and(|isolation| isolation != "default");
    let service = section.additional_contexts.values().find(|place| place.starts_with("service:"));
    let refused = match (is_windows, service) {
        (true, _) => "`isolation`: it is for Windows containers".to_owned(),
        (_, Some(place)) => format!("`additional_contexts` with `{place}`: name an image that is in a registry (`docker-image://…`)"),
        (false, None) => return Ok(()),
    };
    let failure = Failure::new(FailureKind::Invalid, format!("build of `{}`: buildx is not given {refused}", build.service));
    Err(failure.hint("change it in the Compose file"))
}

/// `key=value` pairs as buildx reads them, which is a line of CSV.
fn row(pairs: &[(&str, &str)]) -> String {
    let field = |(key, value): &(&str, &str)| {
        let field = format!("{key}={value}");
        if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
    };
    pairs.iter().map(field).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use chora_core::compose::{Build, ByteSize, Ulimit};
    use chora_core::model::image::ImageBuild;
    use indexmap::IndexMap;

    use super::{Beside, arguments};

    fn words(section: Build) -> Result<Vec<String>, crate::failure::Failure> {
        let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let build = ImageBuild {
            service: "web".into(),
            build: section,
            args: text(&[("A", "1 2"), ("B", "")]),
            dockerfile: ".chora.Dockerfile".into(),
            tags: vec!["shop-web".into()],
            labels: text(&[("own", "x=y")]),
            platform: None,
            secrets: IndexMap::new(),
            context: bytes::Bytes::new(),
        };
        let platforms = ["linux/amd64".to_owned(), "linux/arm64".to_owned()];
        let secrets = [("a,b".to_owned(), "/proc/1/fd/9".to_owned())];
        let beside = Beside {
            builder: "many",
            reference: "r.example/shop-web:v1",
            platforms: &platforms,
            metadata: "/tmp/m".into(),
            dockerfile: ".chora.Dockerfile",
            context: "-",
            secrets: &secrets,
        };
        arguments(&build, &beside)
    }

    fn tail(section: Build) -> String {
        let (all, plain) = (words(section).unwrap(), words(Build::default()).unwrap());
        // What every build says comes first, but for the place of the context.
        let more: Vec<String> = all.into_iter().filter(|word| !plain.contains(word)).collect();
        more.join(" ")
    }

    #[test]
    fn the_request_of_the_engine_is_said_in_words() {
        let plain = words(Build::default()).unwrap().join(" ");
        let expected = "build --push --progress plain --provenance=false --sbom=false --builder many --platform linux/amd64,linux/arm64 \
                        --tag r.example/shop-web:v1 --metadata-file /tmp/m --file .chora.Dockerfile \
                        --build-arg BUILDKIT_MULTI_PLATFORM=1 --build-arg A=1 2 --build-arg B= --label own=x=y \
                        --secret \"id=a,b\",src=/proc/1/fd/9 -";
        assert_eq!(plain, expected);
    }

    #[test]
    fn every_key_has_its_words() {
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let pair = |key: &str, value: &str| IndexMap::from([(key.to_owned(), value.to_owned())]);
        for (section, expected) in [
            (Build { target: Some("run".into()), ..Build::default() }, "--target run"),
            (Build { labels: pair("l", "1"), ..Build::default() }, "l=1"),
            (Build { network: Some("none".into()), ..Build::default() }, "--network none"),
            (Build { no_cache: true, pull: true, ..Build::default() }, "--no-cache --pull"),
            (Build { no_cache_filter: strings(&["a"]), ..Build::default() }, "--no-cache-filter a"),
            (Build { ssh: strings(&["default"]), ..Build::default() }, "--ssh default"),
            (Build { cache_from: strings(&["type=gha"]), ..Build::default() }, "--cache-from type=gha"),
            (Build { cache_to: strings(&["type=inline"]), ..Build::default() }, "--cache-to type=inline"),
            (Build { additional_contexts: pair("lib", "/srv/lib"), ..Build::default() }, "--build-context lib=/srv/lib"),
            (Build { extra_hosts: strings(&["db=::1"]), ..Build::default() }, "--add-host db:::1"),
            (Build { entitlements: strings(&["network.host"]), ..Build::default() }, "--allow network.host"),
            (Build { privileged: true, ..Build::default() }, "--allow security.insecure"),
            (Build { shm_size: Some(ByteSize(1024)), ..Build::default() }, "--shm-size 1024"),
            (
                Build { ulimits: IndexMap::from([("nofile".to_owned(), Ulimit { soft: 1, hard: 2 })]), ..Build::default() },
                "--ulimit nofile=1:2",
            ),
            (Build { isolation: Some("default".into()), ..Build::default() }, ""),
        ] {
            assert_eq!(tail(section), expected);
        }
    }

    #[test]
    fn what_buildx_cannot_do_is_refused_by_name() {
        let hyper = Build { isolation: Some("hyperv".into()), ..Build::default() };
        assert!(words(hyper).unwrap_err().message.contains("`isolation`"));
        let other = Build { additional_contexts: IndexMap::from([("lib".to_owned(), "service:api".to_owned())]), ..Build::default() };
        assert!(words(other).unwrap_err().message.contains("`service:api`"));
    }
}

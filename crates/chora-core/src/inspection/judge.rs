//! The judgement of an image as it lies there, aspect by aspect.

use super::config::ImageConfig;
use super::layer::LayerReport;
use super::leak::Leak;
use super::{Aspect, Remark, size};
use crate::audit::words::listed;
use crate::model::health::Verdict;

/// Labels that an image has to have (OCI image-spec, annotations.md).
const NEEDED: [&str; 2] = ["version", "created"];
/// Labels that it should have.
const WANTED: [&str; 2] = ["revision", "source"];
/// A size that is worth a word, in bytes.
const LARGE: u64 = 500_000_000;
/// Leaks that are named in a remark.
const NAMED: usize = 5;

/// What is asked of an image beyond what is asked of every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The version that its label has to name.
    pub version: Option<String>,
    /// The most bytes that its files may have.
    pub max_size_bytes: Option<u64>,
    /// It is asked in another way than by its own HEALTHCHECK: in words.
    pub asked_otherwise: Option<&'static str>,
}

/// An image that is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its configuration.
    pub config: &'a ImageConfig,
    /// Its layers.
    pub layers: &'a [LayerReport],
    /// The secrets that were found in it.
    pub leaks: &'a [Leak],
    /// What could not be read of it.
    pub unread: &'a [String],
}

/// Judges an image.
#[must_use]
pub fn judge(subject: &Subject<'_>, rules: &Rules) -> Vec<Remark> {
    let config = subject.config;
    let mut remarks = vec![user(&config.user), labels(config)];
    remarks.extend(rules.version.as_deref().map(|wanted| version(config, wanted)));
    remarks.push(healthcheck(config, rules.asked_otherwise));
    remarks.push(whole_size(subject.layers, rules.max_size_bytes));
    remarks.push(secrets(subject));
    remarks
}

fn remark(aspect: Aspect, verdict: Verdict, found: impl Into<String>, advice: impl Into<String>) -> Remark {
    Remark { aspect, verdict, found: found.into(), advice: advice.into() }
}

fn user(user: &str) -> Remark {
    let name = user.split(':').next().unwrap_or_default();
    match name {
        "" | "0" | "root" => {
            let found = if user.is_empty() { "root: no USER is named".to_owned() } else { format!("{user} is root") };
            remark(
                Aspect::User,
                Verdict::Fail,
                found,
                "end the Dockerfile with `USER 10001:10001`, and copy with `--chown` what it has to write",
            )
        }
        _ => remark(Aspect::User, Verdict::Pass, user, ""),
    }
}

fn lacking(config: &ImageConfig, names: &'static [&'static str]) -> Vec<&'static str> {
    let has = |name: &str| config.labels.get(&format!("org.opencontainers.image.{name}")).is_some_and(|value| !value.trim().is_empty());
    names.iter().copied().filter(|name| !has(name)).collect()
}

fn labels(config: &ImageConfig) -> Remark {
    let (needed, wanted) = (lacking(config, &NEEDED), lacking(config, &WANTED));
    if !needed.is_empty() {
        let advice = "`chora build --version VERSION` sets them; by hand: LABEL in the final stage";
        return remark(Aspect::Labels, Verdict::Fail, format!("no org.opencontainers.image.{}", listed(&needed)), advice);
    }
    if !wanted.is_empty() {
        let advice = "`source` is a LABEL of the Dockerfile; `revision` comes with a build in a git repository";
        return remark(Aspect::Labels, Verdict::Warning, format!("no org.opencontainers.image.{}", listed(&wanted)), advice);
    }
    remark(Aspect::Labels, Verdict::Pass, "version, created, revision, source", "")
}

fn version(config: &ImageConfig, wanted: &str) -> Remark {
    match config.labels.get("org.opencontainers.image.version") {
        Some(found) if found == wanted => remark(Aspect::Version, Verdict::Pass, wanted, ""),
        found => {
            let found = found.map_or_else(|| "no version".to_owned(), |found| format!("its label says {found}"));
            remark(Aspect::Version, Verdict::Fail, format!("{found}, not {wanted}"), format!("`chora build --again --version {wanted}`"))
        }
    }
}

fn healthcheck(config: &ImageConfig, otherwise: Option<&str>) -> Remark {
    match (config.healthcheck.is_empty(), otherwise) {
        // Arguments may hold tokens; the program says enough.
        (false, _) => remark(Aspect::Healthcheck, Verdict::Pass, "HEALTHCHECK", ""),
        (true, Some(how)) => remark(Aspect::Healthcheck, Verdict::Pass, format!("none of its own; {how}"), ""),
        (true, None) => {
            let advice = "add a HEALTHCHECK that needs no curl (`chora probe http` is a static program), or checks in chora.yaml";
            remark(Aspect::Healthcheck, Verdict::Fail, "no HEALTHCHECK", advice)
        }
    }
}

fn whole_size(layers: &[LayerReport], most: Option<u64>) -> Remark {
    let total: u64 = layers.iter().map(|layer| layer.size_bytes).sum();
    let found = format!("{} in {}", size(total), if layers.len() == 1 { "1 layer".to_owned() } else { format!("{} layers", layers.len()) });
    let largest = layers.iter().max_by_key(|layer| layer.size_bytes);
    let advice = largest.map_or_else(String::new, |layer| {
        format!("the largest layer, {}, is {}; see the layers", layer.instruction, size(layer.size_bytes))
    });
    match most {
        Some(most) if total > most => remark(Aspect::Size, Verdict::Fail, format!("{found}, more than {}", size(most)), advice),
        None if total > LARGE => remark(Aspect::Size, Verdict::Warning, format!("{found}, more than {}", size(LARGE)), advice),
        _ => remark(Aspect::Size, Verdict::Pass, found, ""),
    }
}

fn secrets(subject: &Subject<'_>) -> Remark {
    let named = |verdict: Verdict| {
        let all: Vec<String> = subject.leaks.iter().filter(|leak| leak.verdict == verdict).map(ToString::to_string).collect();
        let more = if all.len() > NAMED { format!(" and {} more", all.len() - NAMED) } else { String::new() };
        (!all.is_empty()).then(|| format!("{}{more}", all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ")))
    };
    if let Some(certain) = named(Verdict::Fail) {
        let advice = "whoever has the image has them: replace them where they are valid, keep the files out (.dockerignore), \
                      and give secrets as files when it runs, or by `RUN --mount=type=secret` when it is built";
        return remark(Aspect::Secrets, Verdict::Fail, certain, advice);
    }
    if !subject.unread.is_empty() {
        return remark(Aspect::Secrets, Verdict::Warning, format!("not all could be read: {}", subject.unread.join("; ")), "");
    }
    match named(Verdict::Warning) {
        Some(doubtful) => remark(Aspect::Secrets, Verdict::Warning, doubtful, "look at them; keep out what the program does not need"),
        None => remark(Aspect::Secrets, Verdict::Pass, "none found in layers, variables and history", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageConfig, Leak, Rules, Subject, judge};
    use crate::inspection::LayerTally;
    use crate::model::health::Verdict;

    fn told(config: &serde_json::Value, bytes: u64, leaks: &[Leak], rules: &Rules) -> Vec<String> {
        let config = ImageConfig::parse(serde_json::json!({ "config": config }).to_string().as_bytes()).unwrap();
        let mut tally = LayerTally::default();
        tally.add("app/model", bytes);
        let layers = [tally.report("COPY . /app".to_owned())];
        let remarks = judge(&Subject { config: &config, layers: &layers, leaks, unread: &[] }, rules);
        let word = |verdict| {
            if verdict == Verdict::Fail {
                "fail"
            } else if verdict == Verdict::Warning {
                "warning"
            } else {
                "pass"
            }
        };
        remarks.iter().map(|remark| format!("{} {}: {}", remark.aspect.as_str(), word(remark.verdict), remark.found)).collect()
    }

    #[test]
    fn a_good_image_and_a_bad_one() {
        let labels = ["version", "created", "revision", "source"].map(|name| (format!("org.opencontainers.image.{name}"), "v1"));
        let labels: serde_json::Map<_, _> = labels.into_iter().map(|(name, value)| (name, value.into())).collect();
        let good = serde_json::json!({ "User": "10001", "Labels": labels, "Healthcheck": { "Test": ["CMD", "/chora", "probe"] } });
        let rules = Rules { version: Some("v1".to_owned()), max_size_bytes: Some(10), asked_otherwise: None };
        assert_eq!(
            told(&good, 10, &[], &rules),
            [
                "user pass: 10001",
                "labels pass: version, created, revision, source",
                "version pass: v1",
                "healthcheck pass: HEALTHCHECK",
                "size pass: 10 B in 1 layer",
                "secrets pass: none found in layers, variables and history",
            ]
        );
        let leak = Leak { place: "/a".into(), what: "a key".into(), instruction: String::new(), verdict: Verdict::Fail };
        let bad = serde_json::json!({ "User": "0:0", "Healthcheck": { "Test": ["NONE"] } });
        assert_eq!(
            told(&bad, 11, &[leak], &rules),
            [
                "user fail: 0:0 is root",
                "labels fail: no org.opencontainers.image.version and created",
                "version fail: no version, not v1",
                "healthcheck fail: no HEALTHCHECK",
                "size fail: 11 B in 1 layer, more than 10 B",
                "secrets fail: /a: a key",
            ]
        );
        let otherwise = Rules { asked_otherwise: Some("the stack has one"), ..Rules::default() };
        let some = told(&serde_json::json!({ "User": "app" }), 600_000_000, &[], &otherwise);
        assert_eq!(
            &some[2..4],
            ["healthcheck pass: none of its own; the stack has one", "size warning: 600.0 MB in 1 layer, more than 500.0 MB"]
        );
    }
}

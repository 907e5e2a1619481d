//! Platforms by their names, such as `linux/arm64`: which of them mean the same, and which is the engine's own.

use crate::context::Context;
use crate::failure::Failure;

/// The platform of the engine's machine.
pub(crate) async fn own(cx: &Context) -> Result<String, Failure> {
    let machine = cx.engine.facts().await?;
    Ok(format!("{}/{}", machine.os, machine.arch))
}

/// A platform without the variant that is understood (containerd/platforms, `Normalize`).
pub(crate) fn plain(platform: &str) -> String {
    match platform {
        "linux/amd64/v1" | "linux/x86_64" => "linux/amd64".to_owned(),
        "linux/arm64/v8" | "linux/aarch64" => "linux/arm64".to_owned(),
        "linux/arm" => "linux/arm/v7".to_owned(),
        other => other.to_owned(),
    }
}

/// Whether a platform is the one that is meant: without a variant all of them are, and arm64 has but one.
pub(crate) fn is_same(platform: &str, meant: &str) -> bool {
    let usual = |name: &str| name.strip_suffix("/v8").filter(|name| name.ends_with("/arm64")).unwrap_or(name).to_owned();
    let (platform, meant) = (usual(platform), usual(meant));
    platform.strip_prefix(&meant).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What distinguishes the tag of one platform, such as `arm64`, `arm-v7`.
pub(crate) fn suffix(platform: &str) -> String {
    platform.split('/').skip(1).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn platforms_are_compared_with_their_variants() {
        for (platform, meant, expected) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm/v7", "linux/arm", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm64", "linux/arm", false),
            ("linux/arm64", "linux/amd64", false),
        ] {
            assert_eq!(is_same(platform, meant), expected, "{platform} {meant}");
        }
    }
}

//! `SOURCE[@REF]`: what a person names a source by. What could make `git` run something is refused here.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, FailureKind};
use crate::scaffold::UNTOUCHED;

/// Transports that only carry files.
const SCHEMES: [&str; 3] = ["https", "ssh", "file"];
/// The longest name of a tag, branch or commit.
const LONGEST_REFERENCE: usize = 200;

/// A source, and the tag, branch or commit that is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) place: Place,
    pub(crate) reference: Option<String>,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory of this machine.
    Folder {
        /// As it was named.
        written: String,
        path: PathBuf,
    },
    /// A repository that `git` reaches.
    Remote(String),
}

impl Place {
    /// What the project remembers it by.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Folder { written, .. } => written.clone(),
            Self::Remote(address) => address.clone(),
        }
    }

    /// What it is trusted by: nothing in the source itself can change it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Remote(address) => address.trim_end_matches('/').trim_end_matches(".git").to_owned(),
        }
    }

    /// What `git` is told.
    pub(crate) fn for_git(&self) -> String {
        match self {
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Remote(address) => address.clone(),
        }
    }
}

impl Address {
    /// Reads an address; paths start at `root`.
    pub(crate) fn parse(root: &Path, text: &str) -> Result<Self, Failure> {
        let refused = |reason: &str| {
            let failure = Failure::new(FailureKind::Invalid, format!("`{}` cannot be a source: {reason}", text.escape_debug()));
            failure
                .state(UNTOUCHED)
                .hint("name a directory, or a repository by path, https://, ssh:// or user@host:path, with @TAG after it")
        };
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(refused("it is no address"));
        }
        // A project could bring along a directory that is called like a repository that somebody trusts.
        let is_elsewhere = is_repository_address(text);
        if let Some(place) = folder(root, text).filter(|_| !is_elsewhere) {
            return Ok(Self { place, reference: None });
        }
        let (place, reference) = split(text);
        if let Some(reference) = reference {
            check_reference(reference)?;
        }
        let reference = reference.map(str::to_owned);
        if let Some(place) = folder(root, place).filter(|_| !is_elsewhere) {
            return Ok(Self { place, reference });
        }
        remote(place).map_err(refused)?;
        Ok(Self { place: Place::Remote(place.to_owned()), reference })
    }
}

/// Whether a text names a repository by `scheme://…` or `[user@]host:path`, whatever directories there are.
#[must_use]
pub fn is_repository_address(text: &str) -> bool {
    text.contains("://") || host_and_path(text).is_some()
}

fn folder(root: &Path, text: &str) -> Option<Place> {
    let path = root.join(text).canonicalize().ok().filter(|path| path.is_dir())?;
    Some(Place::Folder { written: text.to_owned(), path })
}

/// The last `@` begins the reference, unless it belongs to the name of a user.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('@') {
        Some((place, reference)) if !place.is_empty() && !reference.contains(['/', ':']) => (place, Some(reference)),
        _ => (text, None),
    }
}

/// Checks a tag, branch or commit: `git` must not take it for an option or for an expression.
pub(crate) fn check_reference(reference: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/+@=,#".contains(c);
    let is_right = !reference.is_empty()
        && reference.len() <= LONGEST_REFERENCE
        && !reference.starts_with(['-', '/', '.'])
        && !reference.contains("..")
        && !reference.contains("@{")
        && reference.chars().all(is_plain);
    if is_right {
        return Ok(());
    }
    let message = format!("`{}` is no tag, branch or commit", reference.escape_debug());
    Err(Failure::new(FailureKind::Invalid, message).state(UNTOUCHED).hint("name one as the repository has it, such as v1.2.0"))
}

fn remote(text: &str) -> Result<(), &'static str> {
    if text.contains("::") {
        return Err("`::` names a program that git would run");
    }
    if text.contains(['%', '\\']) {
        return Err("`%` and `\\` may mean another path to the server than to whoever trusts the name; write the path plainly");
    }
    let Some((scheme, rest)) = text.split_once("://") else { return scp(text) };
    if !SCHEMES.contains(&scheme) {
        return Err("only https, ssh and file are taken: what comes over others could be changed on its way, or run something");
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    if user.is_some_and(|user| scheme == "https" || user.contains(':')) {
        return Err("what opens it would stand in .chora/answers.yaml; keep it in a credential helper of git");
    }
    check_parts(user, host, path)?;
    if scheme != "file" && host.is_empty() { Err("it names no host") } else { Ok(()) }
}

/// `[user@]host:path`.
fn scp(text: &str) -> Result<(), &'static str> {
    let Some((host, path)) = host_and_path(text) else { return Err("there is no such directory") };
    let (user, host) = host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    check_parts(user, host, path)
}

fn host_and_path(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(host, _)| !host.contains('/') && host.len() > 1)
}

/// A name that begins with `-` would be an option of `ssh`; `..` would make a name look trusted that is not.
fn check_parts(user: Option<&str>, host: &str, path: &str) -> Result<(), &'static str> {
    if [user.unwrap_or_default(), host, path].iter().any(|part| part.starts_with('-')) {
        return Err("a part of it begins with `-`");
    }
    if path.split('/').any(|part| part == ".." || part == ".") {
        return Err("its path goes up");
    }
    if path.is_empty() { Err("it names no repository") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Address, Place, check_reference};
    use std::fs;

    #[test]
    fn the_table_of_addresses() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("templates")).unwrap();
        fs::create_dir_all(root.path().join("a@b")).unwrap();
        for named_like_a_repository in ["https:/host/acme/t", "git@host:acme/t.git", "odd:name"] {
            fs::create_dir_all(root.path().join(named_like_a_repository)).unwrap();
        }
        let parsed = |text: &str| {
            Address::parse(root.path(), text).map(|address| {
                let kind = if matches!(address.place, Place::Folder { .. }) { "folder" } else { "remote" };
                format!("{kind} {} {}", address.place.written(), address.reference.unwrap_or_else(|| "-".into()))
            })
        };
        let taken = [
            ("templates", "folder templates -"),
            ("./templates@v1.2", "folder ./templates v1.2"),
            ("a@b", "folder a@b -"),
            ("a@b@main", "folder a@b main"),
            ("https://host/acme/t.git", "remote https://host/acme/t.git -"),
            ("https://host/acme/t@v1", "remote https://host/acme/t v1"),
            ("https://host/acme/t", "remote https://host/acme/t -"),
            ("./odd:name@v1", "folder ./odd:name v1"),
            ("ssh://git@host:22/acme/t", "remote ssh://git@host:22/acme/t -"),
            ("ssh://git@host/acme/t@1.0", "remote ssh://git@host/acme/t 1.0"),
            ("git@host:acme/t.git", "remote git@host:acme/t.git -"),
            ("git@host:acme/t.git@0a1b2c3", "remote git@host:acme/t.git 0a1b2c3"),
            ("file:///srv/t.git@v2", "remote file:///srv/t.git v2"),
        ];
        for (text, address) in taken {
            assert_eq!(parsed(text).unwrap(), address, "{text}");
        }
        let refused = [
            ("", "it is no address"),
            ("--upload-pack=touch x", "it is no address"),
            ("nowhere", "there is no such directory"),
            ("../nowhere/at:all", "there is no such directory"),
            ("ext::sh -c touch% x", "`::` names a program that git would run"),
            ("fd::7", "`::` names a program that git would run"),
            ("http://host/t", "only https, ssh and file are taken"),
            ("git://host/t", "only https, ssh and file are taken"),
            ("ssh://-oProxyCommand=touch/t", "a part of it begins with `-`"),
            ("ssh://-l@host/t", "a part of it begins with `-`"),
            ("-oProxyCommand=x:t", "it is no address"),
            ("git@-oProxyCommand=x:t", "a part of it begins with `-`"),
            ("https://name:word@host/t", "what opens it would stand in .chora/answers.yaml"),
            ("https://token@host/t", "what opens it would stand in .chora/answers.yaml"),
            ("https://host/acme/../evil/t", "its path goes up"),
            ("https://host/acme/%2e%2e/evil/t", "`%` and `\\` may mean another path"),
            ("git@host:acme/%2E%2E/evil", "`%` and `\\` may mean another path"),
            ("https://host/acme/..\\evil/t", "`%` and `\\` may mean another path"),
            ("https://host", "it names no repository"),
            ("https:///t", "it names no host"),
        ];
        for (text, reason) in refused {
            let failure = parsed(text).unwrap_err().message;
            assert!(failure.contains(reason), "{text}: {failure}");
        }
        assert!(Address::parse(root.path(), "templates@--all").is_err() && Address::parse(root.path(), "templates@a..b").is_err());
    }

    #[test]
    fn a_reference_is_a_name_only() {
        for reference in ["v1.2.0", "main", "feature/x", "0a1b2c3", "templates@2"] {
            assert!(check_reference(reference).is_ok(), "{reference}");
        }
        for reference in ["", "-x", "--upload-pack=x", "a b", "a..b", "HEAD~1", "a^{commit}", "a@{1}", "a:b", "a*", "/a", ".a"] {
            assert!(check_reference(reference).is_err(), "{reference}");
        }
    }
}

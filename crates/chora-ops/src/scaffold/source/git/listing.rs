//! What `git` lists: tags and branches of a repository, files of a commit, objects one after the other.

use std::path::{Component, Path};

use super::State;

/// The length of a commit's name.
const COMMIT: usize = 40;
/// The fewest digits that a commit is named by.
const SHORTEST_COMMIT: usize = 7;

/// Tags and branches, each with its commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing(Vec<(String, String)>);

impl Listing {
    /// Reads what `git ls-remote` wrote.
    pub(super) fn read(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Self(lines.map(|(object, name)| (name.to_owned(), object.to_owned())).collect())
    }

    /// The object that a name stands for, and the commit that it is: a tag may be an object of its own.
    pub(super) fn commit(&self, name: &str) -> Option<(&str, &str)> {
        let find = |wanted: &str| self.0.iter().find(|(known, _)| known == wanted).map(|(_, object)| object.as_str());
        let object = find(name)?;
        Some((object, find(&format!("{name}^{{}}")).unwrap_or(object)))
    }

    /// What is recorded, and what is to be fetched.
    pub(super) fn choose(&self, state: State<'_>) -> Option<(Option<String>, String)> {
        match state {
            State::Exactly(reference) => self.named(reference).map(|wanted| (Some(reference.to_owned()), wanted)),
            State::Newest(Some(branch)) if self.branch(branch).is_some() && self.tag(branch).is_none() => {
                Some((Some(branch.to_owned()), self.branch(branch)?))
            }
            State::Newest(_) | State::AsItStands => match self.versions().first() {
                Some(tag) => Some((Some(tag.clone()), format!("refs/tags/{tag}"))),
                None => self.has("HEAD").map(|head| (None, head)),
            },
        }
    }

    /// Tags that are versions, the newest first.
    pub(super) fn versions(&self) -> Vec<String> {
        let tags = self.0.iter().filter(|(name, _)| !name.ends_with("^{}")).filter_map(|(name, _)| name.strip_prefix("refs/tags/"));
        let mut versions: Vec<(Vec<u64>, &str)> = tags.filter_map(|tag| Some((version(tag)?, tag))).collect();
        versions.sort();
        versions.into_iter().rev().map(|(_, tag)| tag.to_owned()).collect()
    }

    fn named(&self, reference: &str) -> Option<String> {
        let head = || self.has(reference).filter(|_| reference == "HEAD");
        self.tag(reference).or_else(|| self.branch(reference)).or_else(head).or_else(|| {
            let is_commit = (SHORTEST_COMMIT..=COMMIT).contains(&reference.len()) && reference.bytes().all(|c| c.is_ascii_hexdigit());
            let known = self.0.iter().find(|(_, commit)| commit.starts_with(reference)).map(|(_, commit)| commit.clone());
            is_commit.then(|| known.unwrap_or_else(|| reference.to_owned()))
        })
    }

    fn tag(&self, name: &str) -> Option<String> {
        self.has(&format!("refs/tags/{name}"))
    }

    fn branch(&self, name: &str) -> Option<String> {
        self.has(&format!("refs/heads/{name}"))
    }

    fn has(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == name).map(|(known, _)| known.clone())
    }
}

/// `v1.2.3` as numbers; what is made before a version, such as `v1.2.3-rc1`, is none.
pub(in crate::scaffold) fn version(tag: &str) -> Option<Vec<u64>> {
    let numbers = tag.strip_prefix('v').unwrap_or(tag).split('.').map(|number| number.parse().ok());
    let mut numbers = numbers.collect::<Option<Vec<u64>>>()?;
    // `v1.2` and `v1.2.0` are the same.
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}

/// A file of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TreeEntry<'a> {
    pub(super) mode: &'a str,
    pub(super) object: &'a str,
    pub(super) size: u64,
    pub(super) path: &'a str,
}

/// Reads what `git ls-tree -r -z -l` wrote; names that are no text are left out, and those that lead upwards, which only a tree can have
/// that was made by hand.
pub(super) fn entries(text: &[u8]) -> impl Iterator<Item = TreeEntry<'_>> {
    text.split(|byte| *byte == 0).filter_map(|line| {
        let (head, path) = std::str::from_utf8(line).ok()?.split_once('\t')?;
        let is_below = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let mut words = head.split_ascii_whitespace().filter(|_| is_below);
        let (mode, _, object, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(TreeEntry { mode, object, size: size.parse().unwrap_or_default(), path })
    })
}

/// The first object of what `git cat-file --batch` wrote, and what follows it.
pub(super) fn object(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let size: usize = std::str::from_utf8(text.get(..end)?).ok()?.rsplit(' ').next()?.parse().ok()?;
    let begin = end + 1;
    Some((text.get(begin..begin.checked_add(size)?)?, text.get(begin + size + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::{Listing, State, TreeEntry, entries, object};

    const HEADS: &str = "1111111111111111111111111111111111111111\tHEAD\n\
        1111111111111111111111111111111111111111\trefs/heads/main\n\
        2222222222222222222222222222222222222222\trefs/heads/next\n";
    const TAGS: &str = "3333333333333333333333333333333333333333\trefs/tags/v1.9.0\n\
        4444444444444444444444444444444444444444\trefs/tags/v1.10\n\
        5555555555555555555555555555555555555555\trefs/tags/v2.0.0-rc1\n\
        6666666666666666666666666666666666666666\trefs/tags/v1.10^{}\n";

    fn chosen(text: &str, state: State<'_>) -> Option<(String, String)> {
        Listing::read(text.as_bytes()).choose(state).map(|(reference, wanted)| (reference.unwrap_or_else(|| "-".into()), wanted))
    }

    #[test]
    fn the_table_of_choices() {
        let all = format!("{HEADS}{TAGS}");
        let pair = |reference: &str, wanted: &str| Some((reference.to_owned(), wanted.to_owned()));
        assert_eq!(chosen(&all, State::Newest(None)), pair("v1.10", "refs/tags/v1.10"), "the newest version");
        assert_eq!(chosen(HEADS, State::Newest(None)), pair("-", "HEAD"), "no version");
        assert_eq!(chosen(&all, State::Newest(Some("next"))), pair("next", "refs/heads/next"), "a branch is followed");
        assert_eq!(chosen(&all, State::Newest(Some("v1.9.0"))), pair("v1.10", "refs/tags/v1.10"));
        assert_eq!(chosen(&all, State::Exactly("v2.0.0-rc1")), pair("v2.0.0-rc1", "refs/tags/v2.0.0-rc1"));
        assert_eq!(chosen(&all, State::Exactly("HEAD")), pair("HEAD", "HEAD"), "what is newer than the newest version");
        assert_eq!(chosen(&all, State::Exactly("refs/tags/v1.10")), None);
        assert_eq!(chosen(&all, State::Exactly("2222222")), pair("2222222", "2222222222222222222222222222222222222222"));
        assert_eq!(chosen(&all, State::Exactly("abcdef0")), pair("abcdef0", "abcdef0"), "it may be in the history");
        assert_eq!(chosen(&all, State::Exactly("v3")), None);
        assert_eq!(chosen("", State::Newest(None)), None);
        let listing = Listing::read(all.as_bytes());
        let (fours, sixes) = ("4".repeat(40), "6".repeat(40));
        assert_eq!(listing.commit("refs/tags/v1.10"), Some((fours.as_str(), sixes.as_str())), "a tag with words of its own");
        assert_eq!(listing.commit("HEAD"), Some(("1".repeat(40).as_str(), "1".repeat(40).as_str())));
        assert_eq!(listing.commit("abcdef0"), None);
    }

    #[test]
    fn trees_and_objects_are_read() {
        let tree = b"100644 blob 0a1b     12\ta b.j2\x00160000 commit 0c1d       -\tother\x00100644 blob 0e1f 1\t../up\x00100644 blob 0e1f 1\t/top\0";
        let found: Vec<TreeEntry<'_>> = entries(tree).collect();
        assert_eq!(found[0], TreeEntry { mode: "100644", object: "0a1b", size: 12, path: "a b.j2" });
        assert_eq!((found.len(), found[1].mode), (2, "160000"));
        let (first, rest) = object(b"0a1b blob 3\na\nb\n0c1d blob 0\n\n").unwrap();
        assert_eq!((first, object(rest)), (&b"a\nb"[..], Some((&b""[..], &b""[..]))));
        assert_eq!(object(b"0a1b missing\n"), None);
        assert_eq!(object(b"0a1b blob 99\nshort\n"), None);
    }
}

//! A repository of templates at a tag, branch or commit, read object by object: nothing is checked out, so no link, no filter and no
//! hook of the repository ever comes to work.

mod listing;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chora_template::source::Unusable;
use chora_template::{ProjectFile, SourceFiles};

use self::listing::Listing;
use super::address::Place;
use super::{State, too_much};
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::UNTOUCHED;
use crate::scaffold::program::{self, ProgramError};

/// How long `git` may take.
const LIMIT: Duration = Duration::from_secs(180);

/// The largest file that `git` may make, in bytes: a pack holds files that are never read, and of a commit that no tag or branch names all history.
const LARGEST_PACK: u64 = 256 << 20;

/// No hooks, an end to servers that say nothing, and no care for a repository that is thrown away at once.
const SETTINGS: [&str; 7] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "core.fsync=none",
    "maintenance.auto=false",
    "fetch.unpackLimit=1",
];

/// All branches and tags, with their history.
const EVERYTHING: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// What a repository holds.
pub(super) struct Found {
    pub(super) files: SourceFiles,
    /// The tag or branch, or what was asked for.
    pub(super) reference: Option<String>,
    pub(super) commit: String,
}

/// Reads a repository. A shallow fetch into a temporary one is enough.
pub(super) fn read(settings: &Settings, place: &Place, state: State<'_>) -> Result<Found, Failure> {
    let git = Git { settings, address: place.for_git() };
    let listing = Listing::read(&git.said(None, &["ls-remote", "--", &git.address], b"")?);
    let folder = tempfile::tempdir().map_err(|error| git.failed("init", &ProgramError::Io(error)))?;
    empty(folder.path()).map_err(|error| git.failed("init", &ProgramError::Io(error)))?;
    let (reference, wanted) = listing.choose(state).ok_or_else(|| git.unknown(&listing, state))?;
    let commit = git.fetch(folder.path(), &wanted, listing.commit(&wanted))?;
    let files = git.files(folder.path(), &commit)?;
    Ok(Found { files, reference, commit })
}

/// An empty repository, as `git init --bare` makes it, without what templates of this machine would add.
fn empty(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("objects"))?;
    fs::create_dir(folder.join("refs"))?;
    fs::write(folder.join("HEAD"), "ref: refs/heads/none\n")
}

/// The program, and the repository that it is asked about.
struct Git<'a> {
    settings: &'a Settings,
    address: String,
}

impl Git<'_> {
    fn command(&self, repository: Option<&Path>, arguments: &[&str]) -> Command {
        let mut command = program::git();
        // Of all transports these cannot be made to run a program by an address.
        command.env("GIT_ALLOW_PROTOCOL", "file:https:ssh");
        if !self.settings.variables.contains_key("GIT_SSH_COMMAND") {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30");
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if let Some(repository) = repository {
            command.arg("--git-dir").arg(repository);
        }
        command.args(arguments).current_dir(&self.settings.project_dir);
        command
    }

    /// What it wrote; a failure tells what it said.
    fn said(&self, repository: Option<&Path>, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Failure> {
        let verb = arguments.first().copied().unwrap_or_default();
        let ended = program::run_within(&mut self.command(repository, arguments), input, (LIMIT, Some(LARGEST_PACK)))
            .map_err(|error| self.failed(verb, &error))?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        let failure = Failure::new(FailureKind::Unavailable, format!("the templates of {} cannot be had: git {verb} failed", self.address));
        let hint = "check the address, and that git may read it without asking (an agent of ssh, a credential helper)";
        Err(failure.details(ended.last_lines()).state(UNTOUCHED).hint(hint))
    }

    fn failed(&self, verb: &str, error: &ProgramError) -> Failure {
        let failure = Failure::new(FailureKind::Unavailable, format!("git {verb} of {}: {error}", self.address)).state(UNTOUCHED);
        match error {
            ProgramError::Missing => failure.hint("install git, or name a directory with --from"),
            _ => failure.hint("run the command again"),
        }
    }

    fn unknown(&self, listing: &Listing, state: State<'_>) -> Failure {
        let State::Exactly(reference) = state else {
            let failure = Failure::new(FailureKind::NotFound, format!("{} has no commit", self.address));
            return failure.state(UNTOUCHED).hint("commit the templates first");
        };
        let failure = Failure::new(FailureKind::NotFound, format!("{} has no tag, branch or commit `{reference}`", self.address));
        let versions = listing.versions();
        let hint = if versions.is_empty() { "name one that it has".to_owned() } else { format!("its versions: {}", versions.join(", ")) };
        failure.state(UNTOUCHED).hint(hint)
    }

    /// The commit of what is wanted, fetched.
    fn fetch(&self, folder: &Path, wanted: &str, known: Option<(&str, &str)>) -> Result<String, Failure> {
        let shallow = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-commit-graph", "--"];
        let alone = self.said(Some(folder), &[&shallow[..], &[&self.address, wanted]].concat(), b"");
        let revision = match alone {
            Ok(_) => {
                // Unless it has moved since it was listed, its commit is known.
                let fetched = fs::read_to_string(folder.join("FETCH_HEAD")).unwrap_or_default();
                if let Some((_, commit)) = known.filter(|(object, _)| fetched.starts_with(object)) {
                    return Ok(commit.to_owned());
                }
                "FETCH_HEAD".to_owned()
            }
            // Not every server gives a commit that no tag or branch names; it may still be in the history of one.
            Err(failure) if wanted.starts_with("refs/") => return Err(failure),
            Err(_) => {
                let all = ["fetch", "--quiet", "--no-recurse-submodules", "--", &self.address];
                self.said(Some(folder), &[&all[..], &EVERYTHING].concat(), b"")?;
                wanted.to_owned()
            }
        };
        let asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")];
        let commit = self.said(Some(folder), &asked, b"").map_err(|_| {
            let failure = Failure::new(FailureKind::NotFound, format!("{} has no commit `{wanted}`", self.address));
            failure.state(UNTOUCHED).hint("name a commit of one of its branches or tags")
        })?;
        Ok(String::from_utf8_lossy(&commit).trim().to_owned())
    }

    /// All files of a commit: their sizes first, then what they hold, in one go.
    fn files(&self, folder: &Path, commit: &str) -> Result<SourceFiles, Failure> {
        let tree = self.said(Some(folder), &["ls-tree", "-r", "-z", "-l", "--full-tree", commit], b"")?;
        let mut files = SourceFiles::default();
        let mut wanted: BTreeMap<String, (String, bool)> = BTreeMap::new();
        for entry in listing::entries(&tree) {
            // What is neither a file nor a link is another repository inside of this one.
            let is_file = matches!(entry.mode, "100644" | "100755");
            if entry.mode == "120000" {
                files.leave_out(entry.path, Unusable::Link).map_err(|error| too_much(&self.address, &error))?;
            } else if is_file && files.admit(entry.path, entry.size).map_err(|error| too_much(&self.address, &error))? {
                wanted.insert(entry.path.to_owned(), (entry.object.to_owned(), entry.mode == "100755"));
            }
        }
        let asked: String = wanted.values().map(|(object, _)| format!("{object}\n")).collect();
        let answer = self.said(Some(folder), &["cat-file", "--batch"], asked.as_bytes())?;
        let mut rest = answer.as_slice();
        for (path, (_, executable)) in wanted {
            let (bytes, after) = listing::object(rest).ok_or_else(|| {
                Failure::new(FailureKind::Unavailable, format!("git gave no contents for `{path}` of {}", self.address)).state(UNTOUCHED)
            })?;
            files.put(path, ProjectFile { bytes: bytes.to_vec(), executable });
            rest = after;
        }
        Ok(files)
    }
}

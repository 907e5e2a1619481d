//! A source of patterns beside a project, as a directory or as a repository.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory of templates.
pub(crate) struct Source(PathBuf);

impl Source {
    /// An empty one beside the project.
    pub(crate) fn beside(project: &Path, name: &str) -> Self {
        let path = project.with_file_name(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// Writes a file.
    pub(crate) fn put(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Writes a program.
    pub(crate) fn program(&self, path: &str, text: &str) -> &Self {
        self.put(path, text);
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.0.join(path)).unwrap();
        self
    }

    /// Commits everything under a tag; gives the commit.
    pub(crate) fn tag(&self, name: &str) -> String {
        if !self.0.join(".git").exists() {
            git(&self.0, &["init", "--quiet", "--initial-branch=main"]);
        }
        git(&self.0, &["add", "--all"]);
        git(&self.0, &["commit", "--quiet", "--allow-empty", "--message", name]);
        git(&self.0, &["tag", name]);
        git(&self.0, &["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Moves it.
    pub(crate) fn rename(&mut self, name: &str) {
        let path = self.0.with_file_name(name);
        fs::rename(&self.0, &path).unwrap();
        self.0 = path;
    }
}

/// Runs `git` as somebody, without the settings of this machine; gives what it wrote.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgSign=false"]).args(arguments);
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

//! The version of what is deployed, as its repository names it.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

/// How long `git` may take.
const LIMIT: Duration = Duration::from_secs(5);

/// `git describe` of the project: tag, or tag with distance, or commit; `-dirty` when files differ. `None` outside a repository.
pub(crate) async fn describe(project: &Path) -> Option<String> {
    git(project, &["describe", "--tags", "--always", "--dirty"]).await
}

/// The commit of the project.
pub(crate) async fn revision(project: &Path) -> Option<String> {
    git(project, &["rev-parse", "HEAD"]).await
}

async fn git(project: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(project).args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

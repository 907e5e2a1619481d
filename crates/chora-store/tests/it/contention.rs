//! Several processes and one store.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::ChildStderr;

use chora_core::model::ids::EnvironmentName;
use chora_core::ports::store::Store;
use chora_store::SqliteStore;
use tempfile::TempDir;

use super::another_process::start;

#[tokio::test]
async fn of_eight_processes_one_makes_the_store_and_one_gets_the_lease() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(".chora/storage.db");
    let mut children: Vec<_> = (0..8).map(|_| start("lease", &path)).collect();
    let mut said: Vec<Lines<BufReader<ChildStderr>>> =
        children.iter_mut().map(|child| BufReader::new(child.stderr.take().unwrap()).lines()).collect();
    for lines in &mut said {
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let answers: Vec<String> = said.iter_mut().map(|lines| lines.next().unwrap().unwrap()).collect();
    let holder = SqliteStore::open(&path).unwrap().lease(&EnvironmentName::new("shop")).await.unwrap().unwrap().owner;
    let won: Vec<u32> = children.iter().zip(&answers).filter(|(_, answer)| *answer == "won").map(|(child, _)| child.id()).collect();
    assert_eq!(won, [holder.pid], "{answers:?}");
    for answer in answers.iter().filter(|answer| *answer != "won") {
        assert!(answer.starts_with(&format!("environment `shop` is held by {holder} since")), "{answer}");
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

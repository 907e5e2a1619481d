//! A second process: the test program itself, told by a variable what to do with a store.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chora_core::model::deployment::JournalMark;
use chora_core::model::ids::DeploymentId;
use chora_core::ports::store::Store;
use chora_store::SqliteStore;
use chora_testkit::store_contract::sample::{entry, lease};

const JOB: &str = "CHORA_STORE_TEST_JOB";
const PATH: &str = "CHORA_STORE_TEST_PATH";

/// Starts the job in a process of its own; what it says can be read from its standard error.
pub(crate) fn start(job: &str, path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "another_process::works_for_another_test"])
        .env(JOB, job)
        .env(PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "is started by other tests as a process of its own"]
async fn works_for_another_test() {
    let path = PathBuf::from(env::var(PATH).unwrap());
    match env::var(JOB).unwrap().as_str() {
        "journal" => append_until_killed(&SqliteStore::open(&path).unwrap()).await,
        "lease" => acquire_once(&path).await,
        other => panic!("unknown job {other}"),
    }
}

async fn append_until_killed(store: &SqliteStore) {
    let id = DeploymentId::new("d1");
    for step in 0.. {
        store.append_journal(&id, &[entry(step, JournalMark::Begun)], None).await.unwrap();
        say(&step.to_string());
    }
}

/// Waits for the word to go, so that all start at once, and opens the store only then.
async fn acquire_once(path: &Path) {
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let store = SqliteStore::open(path).unwrap();
    match store.acquire_lease(&lease("shop", std::process::id()), None).await {
        Ok(()) => say("won"),
        Err(error) => say(&error.to_string()),
    }
}

fn say(line: &str) {
    eprintln!("{line}");
}

//! What was stopped has no restart policy until it is started again: an engine that starts anew goes by it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use chora_core::model::ids::ContainerId;
use chora_testkit::engine_contract::run_case;

/// Name and limit of the policy that the engine goes by.
fn policy(container: &ContainerId) -> (String, u64) {
    let mut stream = UnixStream::connect(crate::socket()).unwrap();
    write!(stream, "GET /v1.41/containers/{container}/json HTTP/1.0\r\nHost: engine\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let seen: serde_json::Value = serde_json::from_str(body).unwrap();
    let policy = &seen["HostConfig"]["RestartPolicy"];
    (policy["Name"].as_str().unwrap().to_owned(), policy["MaximumRetryCount"].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_stopped_has_no_restart_policy_until_it_is_started() {
    run_case(crate::engine(), |bench| async move {
        for (asked, had) in [("unless-stopped", ("unless-stopped", 0)), ("on-failure:3", ("on-failure", 3)), ("no", ("no", 0))] {
            let had = (had.0.to_owned(), had.1);
            let mut spec = bench.spec(&asked.replace(':', "-"));
            spec.service.restart = Some(asked.to_owned());
            let id = bench.run(&spec).await;
            assert_eq!(policy(&id), had, "{asked}");
            for _ in 0..2 {
                bench.engine.stop_container(id.as_str(), None).await.unwrap();
                assert_eq!(policy(&id), ("no".to_owned(), 0), "{asked}");
            }
            for _ in 0..2 {
                bench.engine.start_container(id.as_str()).await.unwrap();
                assert_eq!(policy(&id), had, "{asked}");
            }
        }
    })
    .await;
}

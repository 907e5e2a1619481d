//! Commands run inside containers.

use std::time::Duration;

use chora_core::model::container::ExecSpec;
use chora_core::ports::EngineError;

use super::{PATIENCE, Workbench};
use crate::test_image::SERVER;

fn exec(words: &[&str]) -> ExecSpec {
    ExecSpec { command: words.iter().map(|word| (*word).to_owned()).collect(), ..ExecSpec::default() }
}

/// Both streams and the exit code come back.
pub async fn output_and_code_come_back(bench: &Workbench) {
    let id = bench.run(&bench.spec("exec")).await;
    let said = bench.ask(&id, &["echo", "hello"]).await;
    assert_eq!((said.exit_code, said.output.as_str()), (0, "hello\n"));
    let complained = bench.ask(&id, &["complain", "oh"]).await;
    assert_eq!((complained.exit_code, complained.output.as_str()), (0, "oh\n"));
    assert_eq!(bench.ask(&id, &["fail", "7"]).await.exit_code, 7);
}

/// No more than 64 KiB are kept, and the command still ends.
pub async fn output_is_bounded(bench: &Workbench) {
    let id = bench.run(&bench.spec("flood")).await;
    let flood = bench.ask(&id, &["flood", "200000"]).await;
    assert_eq!((flood.exit_code, flood.output.len()), (0, 64 * 1024));
}

/// A command that does not end in time is told.
pub async fn time_is_bounded(bench: &Workbench) {
    let id = bench.run(&bench.spec("slow")).await;
    let limit = Duration::from_millis(300);
    let error = bench.engine.exec(id.as_str(), &exec(&[SERVER, "sleep", "60000"]), limit).await.unwrap_err();
    assert!(matches!(&error, EngineError::TimedOut { limit: told, .. } if *told == limit), "{error:?}");
}

/// A command that is not there or not a program ends with 127 or 126, as in a shell.
pub async fn what_cannot_run_is_an_outcome(bench: &Workbench) {
    let id = bench.run(&bench.spec("absent")).await;
    let absent = bench.engine.exec(id.as_str(), &exec(&["/absent"]), PATIENCE).await.unwrap();
    assert_eq!(absent.exit_code, 127, "{}", absent.output);
    assert!(!absent.output.is_empty());
    let plain = bench.engine.exec(id.as_str(), &exec(&["/etc/passwd"]), PATIENCE).await.unwrap();
    assert_eq!(plain.exit_code, 126, "{}", plain.output);
}

/// Nothing runs in a container that does not run.
pub async fn a_stopped_container_runs_nothing(bench: &Workbench) {
    let id = bench.engine.create_container(&bench.spec("still")).await.unwrap();
    let error = bench.engine.exec(id.as_str(), &exec(&[SERVER, "echo"]), PATIENCE).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    let gone = bench.engine.exec(&bench.name("gone"), &exec(&[SERVER, "echo"]), PATIENCE).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone:?}");
}

/// User, directory and environment are the command's own.
pub async fn the_command_gets_its_surroundings(bench: &Workbench) {
    let id = bench.run(&bench.spec("around")).await;
    let run = async |words: &[&str]| {
        let exec = ExecSpec {
            user: Some("65534:65534".into()),
            working_dir: Some("/tmp".into()),
            environment: vec!["EXTRA=1".into()],
            ..exec(words)
        };
        bench.engine.exec(id.as_str(), &exec, PATIENCE).await.unwrap().output
    };
    assert_eq!(run(&[SERVER, "where"]).await, "/tmp\n");
    assert!(run(&[SERVER, "env"]).await.contains("EXTRA=1\n"));
    let status = run(&[SERVER, "cat", "/proc/self/status"]).await;
    assert!(status.contains("Uid:\t65534\t"), "{status}");
}

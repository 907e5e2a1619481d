//! Commands run inside containers.

use std::time::Duration;

use chora_core::model::container::{ContainerFilter, ExecSpec, LogStream};
use chora_core::ports::EngineError;
use chora_core::ports::engine::Piped;

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

async fn line(pipes: &mut Box<dyn Piped>, stream: LogStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let chunk = tokio::time::timeout(PATIENCE, pipes.receive()).await.expect("a line comes").unwrap().expect("it has not ended");
        assert_eq!(chunk.stream, stream);
        line.extend_from_slice(&chunk.bytes);
    }
    String::from_utf8(line).unwrap()
}

/// What goes in comes out while it runs, streams apart; the end of its input is its end, and its exit code comes back.
pub async fn a_piped_command_converses(bench: &Workbench) {
    let id = bench.run(&bench.spec("piped")).await;
    let mut pipes = bench.engine.exec_piped(id.as_str(), &exec(&[SERVER, "copy"])).await.unwrap();
    for word in ["one\n", "two\n"] {
        pipes.send(word.into()).await.unwrap();
        assert_eq!(line(&mut pipes, LogStream::Stdout).await, word);
    }
    assert_eq!(pipes.finish(PATIENCE).await, Ok(0));
    let mut pipes = bench.engine.exec_piped(id.as_str(), &exec(&[SERVER, "complain", "oh"])).await.unwrap();
    assert_eq!(line(&mut pipes, LogStream::Stderr).await, "oh\n");
    assert_eq!(tokio::time::timeout(PATIENCE, pipes.receive()).await.expect("the output ends"), Ok(None));
    assert_eq!(pipes.finish(PATIENCE).await, Ok(0));
    // Output that nobody has read does not hold up the end.
    let pipes = bench.engine.exec_piped(id.as_str(), &exec(&[SERVER, "flood", "5000000"])).await.unwrap();
    assert_eq!(pipes.finish(PATIENCE).await, Ok(0));
    let pipes = bench.engine.exec_piped(id.as_str(), &exec(&[SERVER, "fail", "7"])).await.unwrap();
    assert_eq!(pipes.finish(PATIENCE).await, Ok(7));
}

/// A command that outlives its input is told; one that cannot run, or has nowhere to run, says so.
pub async fn a_piped_command_that_does_not_end_is_told(bench: &Workbench) {
    let id = bench.run(&bench.spec("stays")).await;
    let pipes = bench.engine.exec_piped(id.as_str(), &exec(&[SERVER, "sleep", "60000"])).await.unwrap();
    let limit = Duration::from_millis(300);
    let error = pipes.finish(limit).await.unwrap_err();
    assert!(matches!(&error, EngineError::TimedOut { limit: told, .. } if *told == limit), "{error:?}");
    match bench.engine.exec_piped(id.as_str(), &exec(&["/absent"])).await {
        Err(error) => assert!(matches!(error, EngineError::Invalid { .. }), "{error:?}"),
        Ok(pipes) => assert!(matches!(pipes.finish(PATIENCE).await, Ok(126 | 127))),
    }
    let still = bench.engine.create_container(&bench.spec("unstarted")).await.unwrap();
    let error = bench.engine.exec_piped(still.as_str(), &exec(&[SERVER, "copy"])).await.err();
    assert!(matches!(error, Some(EngineError::Conflict { .. })), "{error:?}");
    let gone = bench.engine.exec_piped(&bench.name("gone"), &exec(&[SERVER, "copy"])).await.err();
    assert!(matches!(gone, Some(EngineError::NotFound { .. })), "{gone:?}");
}

/// A container with pipes lives as long as somebody holds them, and leaves nothing behind.
pub async fn a_piped_container_goes_with_its_input(bench: &Workbench) {
    let mut spec = bench.spec("held");
    spec.service.command = Some(vec!["copy".to_owned()]);
    let left = async || bench.engine.containers(&ContainerFilter { labels: bench.labels(), all: true }).await.unwrap();
    let mut pipes = bench.engine.run_piped(&spec).await.unwrap();
    pipes.send("hello\n".into()).await.unwrap();
    assert_eq!(line(&mut pipes, LogStream::Stdout).await, "hello\n");
    assert_eq!(left().await.len(), 1);
    assert_eq!(pipes.finish(PATIENCE).await, Ok(0));
    assert_eq!(left().await.len(), 0);
    // Nobody has to ask for its end: a process that holds the pipes may be killed.
    drop(bench.engine.run_piped(&spec).await.unwrap());
    let gone = async {
        while !left().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("a container that nobody holds goes");
    spec.service.command = Some(vec!["fail".to_owned(), "4".to_owned()]);
    assert_eq!(bench.engine.run_piped(&spec).await.unwrap().finish(PATIENCE).await, Ok(4));
    spec.service.entrypoint = Some(vec!["/absent".to_owned()]);
    assert!(bench.engine.run_piped(&spec).await.is_err());
    assert_eq!(left().await.len(), 0);
}

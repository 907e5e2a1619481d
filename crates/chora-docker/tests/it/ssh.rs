//! An engine behind `ssh://`: a real ssh server on loopback, with keys of the test's own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chora_core::model::container::ContainerFilter;
use chora_core::ports::Engine;
use chora_core::ports::EngineError;
use chora_docker::{DockerEngine, EndpointRequest};

/// Runs one ignored test in a process of its own, with a directory in front of its PATH.
pub(crate) fn rerun(test: &str, directory: &Path) {
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("PATH", path)
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.expect("openssh is installed").success());
}

fn serve(directory: &Path) -> Server {
    key(&directory.join("host"));
    key(&directory.join("user"));
    let port = chora_testkit::free_port();
    let configuration = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\nStrictModes no\n\
         UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n",
        directory.display()
    );
    std::fs::write(directory.join("sshd_config"), configuration).unwrap();
    std::fs::create_dir_all("/run/sshd").ok();
    let process = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(directory.join("sshd_config"))
        .stderr(Stdio::null())
        .spawn()
        .expect("openssh-server is installed");
    let server = Server { process, port };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < deadline, "sshd does not listen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server
}

#[test]
fn an_engine_is_reached_through_ssh() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(directory.path());
    let wrapper = directory.path().join("ssh");
    let script = format!(
        "#!/bin/sh\nexec {} -F none -i {}/user -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \"$@\"\n",
        "/usr/bin/ssh",
        directory.path().display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(directory.path().join("port"), server.port.to_string()).unwrap();
    rerun("ssh::through_ssh", directory.path());
}

#[tokio::test]
#[ignore = "run by an_engine_is_reached_through_ssh with a server and keys"]
async fn through_ssh() {
    let path = std::env::var("PATH").unwrap();
    let directory = Path::new(path.split(':').next().unwrap()).to_owned();
    let port = std::fs::read_to_string(directory.join("port")).unwrap();
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let address = format!("ssh://{}@127.0.0.1:{port}{}", user.trim(), crate::socket().display());
    let at = |address: &str| {
        let request = EndpointRequest { explicit: Some(address.to_owned()), ..EndpointRequest::default() };
        DockerEngine::connect(&request).unwrap()
    };
    let engine = at(&address);
    let facts = engine.facts().await.unwrap();
    assert_eq!((facts.endpoint.as_str(), facts.direct_network, facts.same_files), (address.as_str(), false, false));
    for _ in 0..3 {
        engine.containers(&ContainerFilter::default()).await.unwrap();
    }
    let mistaken = at(&format!("ssh://chora-nobody@127.0.0.1:{port}")).facts().await.unwrap_err();
    assert!(matches!(mistaken, EngineError::PermissionDenied { .. }), "{mistaken:?}");
    let gone = at("ssh://127.0.0.1:1").facts().await.unwrap_err();
    assert!(matches!(&gone, EngineError::Unreachable { reason, .. } if reason.contains("refused")), "{gone:?}");
}

//! What a service asks for is what its container gets.

use chora_core::compose::{Healthcheck, Mount, MountKind, Port, Service, TmpfsOptions};
use chora_core::model::container::{Container, ContainerSpec, ContainerState, EngineHealth};
use chora_core::ports::EngineError;
use serde_json::json;

use super::Workbench;
use crate::test_image::SERVER;

fn service(value: serde_json::Value) -> Service {
    serde_json::from_value(value).expect("a service")
}

/// Values are set; a name without a value takes the image's away.
pub async fn environment_is_set_and_unset(bench: &Workbench) {
    let plain = bench.run(&bench.spec("plain")).await;
    assert!(bench.ask(&plain, &["env"]).await.output.contains("FROM_IMAGE=yes\n"));
    let mut spec = bench.spec_with("set", &[("A", "b=c d"), ("EMPTY", "")]);
    spec.service.environment.insert("FROM_IMAGE".into(), None);
    let id = bench.run(&spec).await;
    let told = bench.ask(&id, &["env"]).await.output;
    assert!(told.contains("A=b=c d\n") && told.contains("EMPTY=\n"), "{told}");
    assert!(!told.contains("FROM_IMAGE"), "{told}");
    assert!(bench.inspect(&id).await.environment.expose().contains(&"A=b=c d".to_owned()));
}

/// `command` and `entrypoint` replace the image's, also with nothing.
pub async fn words_replace_the_images_own(bench: &Workbench) {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    for (suffix, entrypoint, command, code) in [
        ("command", None, words(&["fail", "5"]), 5),
        ("entry", words(&[SERVER, "fail", "6"]), None, 6),
        ("both", words(&[SERVER, "fail"]), words(&["7"]), 7),
        ("cleared", words(&[]), words(&[SERVER, "fail", "8"]), 8),
    ] {
        let mut spec = bench.spec(suffix);
        spec.service.entrypoint = entrypoint;
        spec.service.command = command;
        let id = bench.run(&spec).await;
        assert_eq!(bench.engine.wait_container(id.as_str()).await, Ok(code), "{suffix}");
    }
    let mut spec = bench.spec("nothing");
    spec.service.command = words(&[]);
    let id = bench.run(&spec).await;
    assert_eq!(bench.inspect(&id).await.state, ContainerState::Running);
}

/// The engine runs the check and tells its verdict; a disabled one is no check.
pub async fn a_health_check_is_run(bench: &Workbench) {
    let check = |path: &str| -> Healthcheck {
        let test = ["CMD", SERVER, "get", "127.0.0.1:8080", path];
        serde_json::from_value(json!({"test": test, "interval": "200ms", "retries": 1, "start_interval": "200ms"})).expect("a check")
    };
    let mut spec = bench.spec_with("well", &[("START_AFTER_MS", "0")]);
    spec.service.healthcheck = Some(check("/health"));
    let well = bench.run(&spec).await;
    let seen = bench.until(&well, "healthy", |seen| seen.health == EngineHealth::Healthy).await;
    assert_eq!(seen.healthcheck[..2], ["CMD", SERVER]);
    let mut spec = bench.spec_with("ill", &[("STATUS", "503")]);
    spec.service.healthcheck = Some(check("/health"));
    let ill = bench.run(&spec).await;
    bench.until(&ill, "unhealthy", |seen| seen.health == EngineHealth::Unhealthy).await;
    let mut spec = bench.spec("unasked");
    spec.service.healthcheck = Some(Healthcheck { disable: true, ..Healthcheck::default() });
    let unasked = bench.run(&spec).await;
    let seen = bench.inspect(&unasked).await;
    assert_eq!((seen.health, seen.healthcheck), (EngineHealth::None, vec!["NONE".to_owned()]));
}

/// Keys of every kind arrive in the container, as seen from inside it.
pub async fn the_older_and_newer_keys_arrive(bench: &Workbench) {
    let mut spec = bench.spec("keys");
    spec.service = service(json!({
        "cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"], "user": "65534", "group_add": ["4242"], "working_dir": "/tmp",
        "hostname": "named", "domainname": "example.test", "extra_hosts": ["other=10.9.8.7"],
        "dns": ["10.1.2.3"], "dns_search": ["search.test"], "dns_opt": ["ndots:3"],
        "sysctls": {"net.ipv4.ip_default_ttl": "33"}, "ulimits": {"nofile": {"soft": 1000, "hard": 2000}},
        "tmpfs": ["/scratch:size=1m,mode=700"], "shm_size": "33554432", "read_only": true, "init": false,
        "security_opt": ["no-new-privileges:true"], "oom_score_adj": 7, "stop_signal": "SIGTERM", "stop_grace_period": "1500ms",
        "logging": {"driver": "json-file", "options": {"max-size": "1m"}}, "ipc": "private", "stdin_open": true,
        "cpus": 0.5, "cpu_shares": 512, "pids_limit": 50, "mem_reservation": "16777216", "cpuset": "0",
        "devices": [{"source": "/dev/null", "target": "/dev/nothing", "permissions": "r"}],
        "device_cgroup_rules": ["c 1:3 r"], "storage_opt": {}, "expose": ["9000", "53/udp"],
        "deploy": {"resources": {"limits": {"cpus": 0.25, "memory": "67108864", "pids": 40}}, "restart_policy": {"condition": "none"}}
    }));
    let id = bench.run(&spec).await;
    let cat = async |path: &str| bench.ask(&id, &["cat", path]).await.output;
    assert_eq!(bench.ask(&id, &["where"]).await.output, "/tmp\n");
    let status = cat("/proc/1/status").await;
    for line in ["Uid:\t65534\t", "Groups:\t4242", "NoNewPrivs:\t1", "CapBnd:\t0000000000001000"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    let hosts = cat("/etc/hosts").await;
    assert!(hosts.contains("10.9.8.7\tother") && hosts.contains("named.example.test"), "{hosts}");
    let resolver = cat("/etc/resolv.conf").await;
    for words in ["10.1.2.3", "search.test", "ndots:3"] {
        assert!(resolver.contains(words), "{resolver}");
    }
    assert_eq!(cat("/proc/sys/net/ipv4/ip_default_ttl").await.trim(), "33");
    let limits = cat("/proc/1/limits").await;
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(files[3..5], ["1000", "2000"]);
    assert_eq!(cat("/proc/1/oom_score_adj").await.trim(), "7");
    let mounts = cat("/proc/mounts").await;
    assert!(mounts.contains(" /scratch tmpfs rw,") && mounts.contains("size=1024k"), "{mounts}");
    assert!(mounts.lines().any(|line| line.contains(" /dev/shm ") && line.contains("size=32768k")), "{mounts}");
    assert_eq!(bench.ask(&id, &["stat", "/dev/nothing"]).await.exit_code, 0);
    let seen = bench.inspect(&id).await;
    let mut exposed = seen.exposed;
    exposed.sort();
    assert_eq!(exposed, ["53/udp", "8080/tcp", "9000/tcp"]);
}

/// Binds, memory and anonymous volumes lie where they were asked for.
pub async fn mounts_arrive(bench: &Workbench) {
    if !bench.engine.facts().await.unwrap().same_files {
        panic!("this contract needs an engine on this machine");
    }
    let directory = std::env::temp_dir().join(bench.name("bind"));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("x"), "from the host").unwrap();
    let bind = |source: &std::path::Path, target: &str| Mount {
        kind: MountKind::Bind,
        source: Some(source.display().to_string()),
        target: target.to_owned(),
        read_only: true,
        ..Mount::default()
    };
    let memory = Mount {
        kind: MountKind::Tmpfs,
        target: "/memory".into(),
        tmpfs: Some(TmpfsOptions { size: Some(chora_core::compose::ByteSize(1 << 20)), mode: Some(0o750) }),
        ..Mount::default()
    };
    let mut spec = bench.spec("mounts");
    spec.mounts = vec![
        bind(&directory, "/host"),
        bind(&directory.join("made"), "/made"),
        memory,
        Mount { target: "/own".into(), ..Mount::default() },
    ];
    let id = bench.run(&spec).await;
    assert_eq!(bench.ask(&id, &["cat", "/host/x"]).await.output, "from the host");
    assert_eq!(bench.ask(&id, &["write", "/host/x", "y"]).await.exit_code, 1);
    assert!(directory.join("made").is_dir(), "a missing host directory is made");
    assert_eq!(bench.ask(&id, &["stat", "/memory"]).await.output, "750 0 0\n");
    assert_eq!(bench.ask(&id, &["write", "/own/x", "y"]).await.exit_code, 0);
    let mut strict = bench.spec("strict");
    strict.mounts = vec![Mount {
        bind: Some(chora_core::compose::BindOptions { create_host_path: Some(false), ..Default::default() }),
        ..bind(&directory.join("absent"), "/absent")
    }];
    let error = bench.engine.create_container(&strict).await.unwrap_err();
    assert!(matches!(error, EngineError::Invalid { .. }), "{error:?}");
    bench.engine.remove_container(id.as_str(), true).await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}

fn publishing(mut spec: ContainerSpec, host_port: Option<u16>) -> ContainerSpec {
    let published = host_port.map(|port| port.to_string());
    spec.service.ports =
        vec![Port { target: 8080, host_ip: Some("127.0.0.1".into()), published, protocol: Some("tcp".into()), ..Port::default() }];
    spec.publish = true;
    spec
}

fn host_port(container: &Container) -> u16 {
    container.published.iter().find(|port| port.target == "8080/tcp").expect("the port is published").host_port
}

/// A published port answers on the host; without `publish` nothing is bound.
pub async fn ports_are_published(bench: &Workbench) {
    let id = bench.run(&publishing(bench.spec_with("public", &[("VERSION", "seven")]), None)).await;
    let port = host_port(&bench.inspect(&id).await);
    let asked = std::process::Command::new(crate::test_image::server_program());
    let answer = tokio::task::spawn_blocking(move || ask_host(asked, port)).await.unwrap();
    assert_eq!(answer, "seven\n");
    let mut hidden = publishing(bench.spec("hidden"), None);
    hidden.publish = false;
    let hidden = bench.run(&hidden).await;
    assert!(bench.inspect(&hidden).await.published.is_empty());
    assert_eq!(bench.inspect(&hidden).await.exposed, ["8080/tcp"]);
}

fn ask_host(mut program: std::process::Command, port: u16) -> String {
    program.args(["get", &format!("127.0.0.1:{port}"), "/"]);
    for _ in 0..500 {
        let output = program.output().expect("the program runs");
        if output.status.success() {
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nothing answers on port {port}")
}

/// A port that is held, by a container or by anything else, is told as such.
pub async fn a_taken_port_is_said(bench: &Workbench) {
    let first = bench.run(&publishing(bench.spec("first"), None)).await;
    let held_by_container = host_port(&bench.inspect(&first).await);
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let held_by_process = listener.local_addr().unwrap().port();
    for (suffix, port) in [("second", held_by_container), ("third", held_by_process)] {
        let id = bench.engine.create_container(&publishing(bench.spec(suffix), Some(port))).await.unwrap();
        let error = bench.engine.start_container(id.as_str()).await.unwrap_err();
        assert!(matches!(&error, EngineError::PortTaken { reason } if reason.contains(&port.to_string())), "{error:?}");
        assert_ne!(bench.inspect(&id).await.state, ContainerState::Running);
    }
}

/// The engine restarts what failed, as often as it was told.
pub async fn a_restart_policy_is_followed(bench: &Workbench) {
    let mut spec = bench.spec_with("restless", &[("EXIT_AFTER_MS", "1"), ("EXIT_CODE", "9")]);
    spec.service.restart = Some("on-failure:2".into());
    let id = bench.run(&spec).await;
    let ended = bench.until(&id, "given up", |seen| seen.state == ContainerState::Exited && seen.restarts == 2).await;
    assert_eq!(ended.exit_code, Some(9));
}

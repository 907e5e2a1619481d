//! Images on the engine, and registries that do not give any.

use std::sync::Mutex;

use chora_core::ports::EngineError;
use indexmap::IndexMap;

use super::{LABEL, Workbench};
use crate::test_image::TestImage;

/// An image is told by tag and by id; tags come and go.
pub async fn images_are_told_and_tagged(bench: &Workbench) {
    let by_tag = bench.engine.image(&bench.tag).await.unwrap().unwrap();
    assert_eq!(bench.engine.image(bench.image.as_str()).await.unwrap().unwrap(), by_tag);
    assert_eq!((by_tag.id.as_ref(), &by_tag.labels), (Some(&bench.image), &bench.labels()));
    assert_eq!((by_tag.tags.as_slice(), by_tag.exposed.as_slice()), ([bench.tag.clone()].as_slice(), ["8080/tcp".to_owned()].as_slice()));
    assert!(by_tag.healthcheck.is_empty() && by_tag.size_bytes > 0);
    let other = format!("127.0.0.1:5999/{}:2", bench.unique);
    for _ in 0..2 {
        bench.engine.tag_image(&bench.image, &other).await.unwrap();
    }
    assert_eq!(bench.engine.image(&other).await.unwrap().unwrap().tags.len(), 2);
    for _ in 0..2 {
        bench.engine.remove_image(&other).await.unwrap();
    }
    assert!(bench.engine.image(&other).await.unwrap().is_none());
    assert!(bench.engine.image(bench.image.as_str()).await.unwrap().is_some());
    let id = bench.run(&bench.spec("user")).await;
    let error = bench.engine.remove_image(bench.image.as_str()).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    bench.engine.remove_container(id.as_str(), true).await.unwrap();
    let broken = bench.engine.load_image(bytes::Bytes::from_static(b"not an archive")).await.unwrap_err();
    assert!(matches!(broken, EngineError::Invalid { .. } | EngineError::Failed { .. }), "{broken:?}");
}

/// Lists hold what carries every label, with its health check.
pub async fn images_are_listed_by_label(bench: &Workbench) {
    let mut labels = bench.labels();
    labels.insert("extra".into(), "1".into());
    let healthcheck = vec!["CMD".to_owned(), "/chora-test-server".to_owned(), "echo".to_owned()];
    let image = TestImage { tag: format!("{}:checked", bench.unique), labels, healthcheck: healthcheck.clone(), ..TestImage::default() };
    bench.engine.load_image(image.archive()).await.unwrap();
    assert_eq!(bench.engine.images(&bench.labels()).await.unwrap().len(), 2);
    let mut wanted = bench.labels();
    wanted.insert("extra".into(), "1".into());
    let listed = bench.engine.images(&wanted).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].tags.as_slice(), &listed[0].healthcheck), ([image.tag].as_slice(), &healthcheck));
    let nobody = IndexMap::from([(LABEL.to_owned(), "nobody".to_owned())]);
    assert!(bench.engine.images(&nobody).await.unwrap().is_empty());
}

/// No answer from a registry is a bad world; an answer that says no is not.
pub async fn a_registry_that_is_down_is_told_from_one_that_refuses(bench: &Workbench) {
    let lines = Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let down = bench.engine.pull_image("127.0.0.1:1/chora/none:1", None, &progress).await.unwrap_err();
    assert!(matches!(&down, EngineError::RegistryUnreachable { image, .. } if image == "127.0.0.1:1/chora/none:1"), "{down:?}");
    assert!(down.is_bad_world());
}

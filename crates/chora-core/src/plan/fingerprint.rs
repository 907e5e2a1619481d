//! What makes two containers of a service interchangeable.

use indexmap::IndexMap;
use serde_json::json;

use crate::compose::{Service, Stack};
use crate::model::bridge::Bridge;
use crate::model::digest::Digest;
use crate::model::ids::ImageId;
use crate::plan::gateway::{is_direct, is_gateway};

/// Hashes everything that a container of the service is made of: image, configuration, files, networks and volumes.
/// What only orders or scales it (build, `depends_on`, profiles, replicas) is left out, and ports that the gateway publishes for it.
///
/// `files` holds the content hash of each `config:<key>` and `secret:<key>`. A bridge counts with what it does, not with the build of
/// Chora that provides it: another Chora is no reason to replace what runs.
///
/// # Errors
/// When the service cannot be written as JSON.
pub fn fingerprint(
    stack: &Stack,
    service: &Service,
    image: &ImageId,
    files: &IndexMap<String, Digest>,
    bridge: Option<&Bridge>,
) -> Result<Digest, serde_json::Error> {
    let mut own = service.clone();
    own.build = None;
    own.image = None;
    own.depends_on.clear();
    own.profiles.clear();
    own.scale = None;
    own.pull_policy = None;
    own.attach = None;
    if let Some(deploy) = &mut own.deploy {
        deploy.replicas = None;
    }
    own.ports.retain(|port| is_direct(stack, service, port));
    let gateway = is_gateway(service);
    if gateway {
        // It is connected to further networks while it runs, and stays what it is when Chora is updated.
        own.networks.clear();
    }
    let image = (!gateway).then_some(image);
    sort_maps(&mut own);
    let used = |kind: &str, references: &[crate::compose::FileReference]| -> Vec<(String, Option<String>)> {
        let key = |source: &str| format!("{kind}:{source}");
        references.iter().map(|reference| (key(&reference.source), files.get(&key(&reference.source)).map(ToString::to_string))).collect()
    };
    let networks: Vec<_> = own.networks.keys().map(|key| (key, stack.networks.get(key))).collect();
    let volumes: Vec<_> = own.volumes.iter().filter_map(|mount| mount.source.as_ref()).map(|key| (key, stack.volumes.get(key))).collect();
    let mut whole = json!({
        "service": own, "image": image, "networks": networks, "volumes": volumes,
        "configs": used("config", &own.configs), "secrets": used("secret", &own.secrets),
    });
    // Without one nothing is added: what ran before there were bridges stays what it is.
    if let (Some(bridge), Some(fields)) = (bridge, whole.as_object_mut()) {
        fields.insert("bridge".to_owned(), serde_json::to_value(Bridge { why: String::new(), ..bridge.clone() })?);
    }
    Digest::of_json(&whole)
}

/// Map order carries no meaning in Compose; it must not change the hash.
fn sort_maps(service: &mut Service) {
    service.environment.sort_keys();
    service.labels.sort_keys();
    service.networks.sort_keys();
    service.sysctls.sort_keys();
    service.ulimits.sort_keys();
    service.annotations.sort_keys();
    service.storage_opt.sort_keys();
    service.extra_hosts.sort();
    if let Some(logging) = &mut service.logging {
        logging.options.sort_keys();
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::fingerprint;
    use crate::compose::{Dependency, FileReference, Service, Stack};
    use crate::model::bridge::Bridge;
    use crate::model::digest::Digest;
    use crate::model::ids::ImageId;

    fn of(service: &Service, image: &str, secret: &str) -> Digest {
        let files = IndexMap::from([("secret:key".to_owned(), Digest::of(secret.as_bytes()))]);
        fingerprint(&Stack::default(), service, &ImageId::new(image), &files, None).unwrap()
    }

    #[test]
    fn changes_with_the_bridge_and_not_with_its_reason() {
        let bridged = |bridge: &Bridge| {
            let service = Service::default();
            fingerprint(&Stack::default(), &service, &ImageId::new("sha256:a"), &IndexMap::new(), Some(bridge)).unwrap()
        };
        let plain = Bridge { port: 8000, why: "asked for".into(), ..Bridge::default() };
        assert_ne!(bridged(&plain), of(&Service::default(), "sha256:a", "one"), "on and off");
        assert_ne!(bridged(&plain), bridged(&Bridge { port: 8001, ..plain.clone() }), "options");
        assert_eq!(bridged(&plain), bridged(&Bridge { why: String::new(), ..plain.clone() }), "the reason");
    }

    #[test]
    fn changes_with_what_the_container_is_made_of_and_with_nothing_else() {
        let secrets = vec![FileReference { source: "key".into(), ..FileReference::default() }];
        let plain = Service { secrets, ..Service::default() };
        let base = of(&plain, "sha256:a", "one");
        assert_ne!(base, of(&plain, "sha256:b", "one"), "image");
        assert_ne!(base, of(&plain, "sha256:a", "two"), "secret");
        assert_ne!(base, of(&Service { user: Some("1000".into()), ..plain.clone() }, "sha256:a", "one"), "configuration");
        let depends_on = IndexMap::from([("db".to_owned(), Dependency::default())]);
        assert_eq!(base, of(&Service { depends_on, scale: Some(3), ..plain.clone() }, "sha256:a", "one"), "order and scale");
        let order =
            |names: [&str; 2]| Service { environment: names.iter().map(|name| ((*name).to_owned(), None)).collect(), ..plain.clone() };
        assert_eq!(of(&order(["A", "B"]), "sha256:a", "one"), of(&order(["B", "A"]), "sha256:a", "one"), "map order");
    }
}

//! What preflight says of the releases that could be rolled back to.

use chora_ops::deploy::{DeployRequest, deploy};

use crate::world::World;

async fn warnings(world: &World) -> Vec<String> {
    let request = DeployRequest { version: Some("v3".into()), dry_run: true, ..DeployRequest::default() };
    Box::pin(deploy(&world.context(), &request)).await.unwrap().warnings
}

#[tokio::test]
async fn releases_that_are_not_whole_are_named_and_so_is_that_none_is_left() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    world.write("bad");
    assert_eq!(warnings(&world).await, Vec::<String>::new());
    for image in ["sha256:web:1", "sha256:api:1"] {
        world.engine.world().images.remove(image);
    }
    let first = "release v1 cannot be rolled back to: the images of `web`, `api` are gone from the engine";
    assert_eq!(warnings(&world).await, [first]);
    world.engine.world().images.remove("sha256:web:2");
    let rest = [
        "release v2 cannot be rolled back to: the image of `web` is gone from the engine",
        first,
        "there is no way back from this deployment: no release before it is whole on the engine",
    ];
    assert_eq!(warnings(&world).await, rest);
}

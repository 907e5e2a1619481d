//! The Dockerfiles of a project, and what stays out of their contexts.

use std::path::{Path, PathBuf};

use chora_core::audit::{EnvironmentFiles, Evidence, INLINE, IgnoreFile, ImageFile};
use chora_core::compose::Build;
use chora_syntax::dockerfile;
use chora_syntax::dockerignore::Dockerignore;
use chora_syntax::manifest::EnvironmentClass;

use super::environments::{below, secret_files};
use super::{Unread, read, reasons, shown};

/// The Dockerfiles that careful environments are built from, and the one that lies at the top.
pub(super) fn images(root: &Path, environments: &[EnvironmentFiles]) -> Vec<ImageFile> {
    let secrets = secret_files(environments);
    let mut all: Vec<ImageFile> = Vec::new();
    let mut seen: Vec<(PathBuf, Option<String>, Option<String>)> = Vec::new();
    let careful = environments.iter().filter(|environment| environment.class != EnvironmentClass::Development);
    let stacks = careful.filter_map(|environment| environment.stack.as_ref().ok());
    let builds = stacks.flat_map(|resolved| resolved.stack.services.values().filter_map(|service| service.build.as_ref()));
    for build in builds.filter(|build| Path::new(&build.context).is_absolute()) {
        let place = (location(build), build.target.clone(), build.dockerfile_inline.clone());
        if !seen.contains(&place) {
            seen.push(place);
            all.push(image(root, build));
        }
    }
    let usual = Build { context: root.display().to_string(), ..Build::default() };
    let is_resolved = environments.iter().any(|environment| environment.stack.is_ok());
    let is_known = seen.iter().any(|(path, ..)| *path == location(&usual));
    if !is_known && (location(&usual).exists() || !is_resolved) {
        all.push(image(root, &usual));
    }
    for image in &mut all {
        let context = PathBuf::from(&image.context);
        image.secrets = secrets.iter().filter_map(|path| below(&context, path)).collect();
    }
    all
}

fn location(build: &Build) -> PathBuf {
    Path::new(&build.context).join(build.dockerfile.as_deref().unwrap_or("Dockerfile"))
}

fn image(root: &Path, build: &Build) -> ImageFile {
    let location = location(build);
    let path = if build.dockerfile_inline.is_some() { INLINE.to_owned() } else { shown(root, &location) };
    let text = build.dockerfile_inline.clone().map_or_else(|| read(&location), Ok);
    let file = match text {
        Ok(text) => dockerfile::parse(&text, &path).map_err(|problems| reasons(&problems)),
        Err(Unread::Absent) => Err(vec![Evidence::in_file(&path, None, "it is not there")]),
        Err(Unread::Other(why)) => Err(vec![Evidence::in_file(&path, None, why)]),
    };
    ImageFile {
        ignore: ignore(root, &location, Path::new(&build.context)),
        context: build.context.clone(),
        dockerfile: build.dockerfile.clone(),
        target: build.target.clone(),
        secrets: Vec::new(),
        path,
        file,
    }
}

/// `<Dockerfile>.dockerignore` wins over that of the context, as for a build.
fn ignore(root: &Path, dockerfile: &Path, context: &Path) -> Option<IgnoreFile> {
    let mut beside = dockerfile.as_os_str().to_owned();
    beside.push(".dockerignore");
    let places = [PathBuf::from(beside), context.join(".dockerignore")];
    places.iter().find_map(|place| Some(IgnoreFile { path: shown(root, place), rules: Dockerignore::parse(&read(place).ok()?) }))
}

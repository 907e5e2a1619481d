"""Times `chora upgrade` against `copier update`: forty files of one template, three conflicts; and `chora init` of the largest pattern."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

FILES = 40
CONFLICTS = 3
LINES = 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chora", required=True)
    parser.add_argument("--copier", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    os.environ.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")
    for who in ("AUTHOR", "COMMITTER"):
        os.environ.update({f"GIT_{who}_NAME": "bench", f"GIT_{who}_EMAIL": "bench@example.com"})
    chora = of_chora(options.chora, options.work / "chora")
    copier = of_copier(options.copier, options.work / "copier")
    ours, theirs = [], []
    # In turns, so that whatever else the machine does meets both.
    for _ in range(options.rounds):
        ours.append(timed(*chora))
        theirs.append(timed(*copier))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    print(f"upgrade of {FILES} files, {CONFLICTS} conflicts: chora {ours:.1f} ms, copier {theirs:.1f} ms, {theirs / ours:.1f} times as fast")
    init(options)


def texts(version):
    """The files of one version of the template: every file changes, and the middle of each is where people edit."""
    for number in range(FILES):
        lines = [f"setting_{line} = {{{{ name }}}} {number}" for line in range(LINES)]
        if version == 2:
            lines[10] = "setting_10 = newer"
            lines[30] = "setting_30 = newer"
            lines.append("setting_last = new")
        yield f"config/part{number % 5}/file{number}.conf", "\n".join(lines) + "\n"


def of_chora(program, folder):
    source = folder / "source"
    for version in (1, 2):
        manifest = {"title": "t", "summary": "s", "version": version, "questions": {"name": {"ask": "the name", "default": "shop"}}}
        manifest["files"] = [{"path": path, "from": f"{path}.j2"} for path, _ in texts(version)]
        write(source / "patterns/p.yaml", json.dumps(manifest))
        release(source, ".j2", version)
    project = folder / "project"
    project.mkdir(parents=True)
    run(project, program, "init", "--quiet", "--from", f"{source}@v1.0.0")
    edit(project)
    return project, [program, "upgrade"], 75


def of_copier(program, folder):
    source = folder / "source"
    for version in (1, 2):
        write(source / "copier.yml", "_subdirectory: template\nname:\n  type: str\n  default: shop\n")
        write(source / "template/{{ _copier_conf.answers_file }}.jinja", "{{ _copier_answers|to_nice_yaml -}}\n")
        release(source, ".jinja", version, "template")
    project = folder / "project"
    run(folder, program, "copy", "--quiet", "--defaults", "--vcs-ref", "v1.0.0", str(source), str(project))
    edit(project)
    return project, [program, "update", "--quiet", "--defaults", "--conflict", "inline"], 0


def release(source, suffix, version, below="."):
    for path, text in texts(version):
        write(source / below / f"{path}{suffix}", text)
    commit(source)
    run(source, "git", "tag", f"v{version}.0.0")


def edit(project):
    """Commits the project with lines of a person's: some beside those of the template, three in the same place."""
    for number in range(FILES):
        path = project / f"config/part{number % 5}/file{number}.conf"
        lines = path.read_text().split("\n")
        lines[50] = "setting_50 = mine"
        if number < CONFLICTS:
            lines[30] = "setting_30 = mine"
        path.write_text("\n".join(lines))
    commit(project)


def commit(folder):
    if not (folder / ".git").exists():
        run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "x")


def timed(project, command, code):
    run(project, "git", "reset", "--quiet", "--hard")
    run(project, "git", "clean", "--quiet", "-ffdx")
    begin = time.perf_counter()
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True)
    took = (time.perf_counter() - begin) * 1000
    marked = [path for path in project.rglob("*.conf") if "<<<<<<<" in path.read_text()]
    merged = [path for path in project.rglob("*.conf") if "setting_50 = mine" in path.read_text() and "setting_last = new" in path.read_text()]
    if ran.returncode != code or len(marked) != CONFLICTS or len(merged) != FILES:
        raise SystemExit(f"{command}: exit {ran.returncode}, {len(marked)} conflicts, {len(merged)} merged\n{ran.stdout}{ran.stderr}")
    return took


def init(options):
    """`chora init` of the pattern that writes the most files."""
    folder = options.work / "init"

    def command(name, *more):
        asked = run(options.work, options.chora, "patterns", "show", name, "--json")
        known = json.loads(asked)["questions"]
        # What has no default, and CI, which makes any pattern larger.
        needed = {key: answer(question) for key, question in known.items() if "default" not in question}
        needed |= {"name": "shop"} | ({"ci": "github"} if "ci" in known else {})
        answers = [word for key, value in needed.items() if key in known for word in ("--set", f"{key}={value}")]
        return [options.chora, "init", "--pattern", name, "--yes", *answers, *more]

    def fresh():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    names = [pattern["name"] for pattern in json.loads(run(options.work, options.chora, "patterns", "--json"))["patterns"]]
    fresh()
    sizes = {name: len(json.loads(run(folder, *command(name, "--dry-run", "--json")))["files"]) for name in names}
    name = max(sizes, key=sizes.get)
    largest, took = command(name), []
    for _ in range(options.rounds):
        fresh()
        begin = time.perf_counter()
        run(folder, *largest)
        took.append((time.perf_counter() - begin) * 1000)
    print(f"init of {name}, {sizes[name]} files: {statistics.median(took):.1f} ms")


def answer(question):
    """Any answer that fits."""
    return (question.get("choices") or question.get("range") or ["shop.example"])[0]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(folder, *command):
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"{command}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


main()

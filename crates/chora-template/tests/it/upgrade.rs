//! What becomes of a project for every kind of change in the template and every kind of edit: the matrix, and copier's scenarios.

use std::collections::BTreeMap;

use chora_template::merge::ConflictStyle;
use chora_template::migration::Renames;
use chora_template::upgrade::{Fate, Planned, Upgrade, Write, plan};
use chora_template::{Answers, Catalogue, ProjectFile, Rendered};
use serde_json::{Value, json};

/// Path and contents; `+` before the contents makes the file executable, `-` means that it is not there.
type Files<'a> = &'a [(&'a str, &'a str)];

struct Case<'a> {
    what: &'a str,
    /// As the older version wrote it.
    old: Files<'a>,
    /// As the newer version writes it.
    new: Files<'a>,
    /// What the pattern has moved, from and to.
    moved: Files<'a>,
    /// What a person did to the files of the older version.
    edits: Files<'a>,
    /// `fate path`, `fate path < where it was`; files that stay as they are do not count.
    fates: &'a [&'a str],
    /// The project afterwards.
    tree: Files<'a>,
}

const PLAIN: Case<'_> = Case { what: "", old: &[], new: &[], moved: &[], edits: &[], fates: &[], tree: &[] };

/// Three lines, and the same with one of them changed.
const ABC: &str = "a\nb\nc\n";
const TOP: &str = "A\nb\nc\n";
const END: &str = "a\nb\nC\n";
const BOTH: &str = "A\nb\nC\n";

const MATRIX: &[Case<'_>] = &[
    Case { what: "nothing changed, nothing edited", old: &[("f", ABC)], new: &[("f", ABC)], tree: &[("f", ABC)], ..PLAIN },
    Case { what: "changed, not edited", old: &[("f", ABC)], new: &[("f", END)], fates: &["clean f"], tree: &[("f", END)], ..PLAIN },
    Case { what: "edited, not changed", old: &[("f", ABC)], new: &[("f", ABC)], edits: &[("f", TOP)], tree: &[("f", TOP)], ..PLAIN },
    Case {
        what: "both, in different lines",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", TOP)],
        fates: &["merged f"],
        tree: &[("f", BOTH)],
        ..PLAIN
    },
    Case { what: "both, the same change", old: &[("f", ABC)], new: &[("f", TOP)], edits: &[("f", TOP)], tree: &[("f", TOP)], ..PLAIN },
    Case {
        what: "both, the same line",
        old: &[("f", ABC)],
        new: &[("f", "a\nY\nc\n")],
        edits: &[("f", "a\nX\nc\n")],
        fates: &["conflict f"],
        tree: &[("f", "a\n<<<<<<< yours\nX\n=======\nY\n>>>>>>> p 2\nc\n")],
        ..PLAIN
    },
    Case {
        what: "both append",
        old: &[("f", "a\n")],
        new: &[("f", "a\ny\n")],
        edits: &[("f", "a\nx\n")],
        fates: &["conflict f"],
        tree: &[("f", "a\n<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n")],
        ..PLAIN
    },
    Case {
        what: "one appends, one prepends",
        old: &[("f", "a\n")],
        new: &[("f", "y\na\n")],
        edits: &[("f", "a\nx\n")],
        fates: &["merged f"],
        tree: &[("f", "y\na\nx\n")],
        ..PLAIN
    },
    Case {
        what: "a line deleted here, changed there",
        old: &[("f", ABC)],
        new: &[("f", "a\nY\nc\n")],
        edits: &[("f", "a\nc\n")],
        fates: &["conflict f"],
        tree: &[("f", "a\n<<<<<<< yours\n=======\nY\n>>>>>>> p 2\nc\n")],
        ..PLAIN
    },
    Case {
        what: "a line changed here, deleted there",
        old: &[("f", ABC)],
        new: &[("f", "a\nc\n")],
        edits: &[("f", "a\nX\nc\n")],
        fates: &["conflict f"],
        tree: &[("f", "a\n<<<<<<< yours\nX\n=======\n>>>>>>> p 2\nc\n")],
        ..PLAIN
    },
    Case {
        what: "a line deleted in both",
        old: &[("f", ABC)],
        new: &[("f", "a\nc\nd\n")],
        edits: &[("f", "a\nc\n")],
        fates: &["merged f"],
        tree: &[("f", "a\nc\nd\n")],
        ..PLAIN
    },
    Case {
        what: "lines in another order",
        old: &[("f", ABC)],
        new: &[("f", "a\nb\nc\nd\n")],
        edits: &[("f", "b\na\nc\n")],
        fates: &["merged f"],
        tree: &[("f", "b\na\nc\nd\n")],
        ..PLAIN
    },
    Case { what: "new", new: &[("f", ABC)], fates: &["new f"], tree: &[("f", ABC)], ..PLAIN },
    Case { what: "new, in new folders", new: &[("a/b/f", ABC)], fates: &["new a/b/f"], tree: &[("a/b/f", ABC)], ..PLAIN },
    Case { what: "new, and a person has the same", new: &[("f", ABC)], edits: &[("f", ABC)], tree: &[("f", ABC)], ..PLAIN },
    Case {
        what: "new, and a person has another one",
        new: &[("f", "y\n")],
        edits: &[("f", "x\n")],
        fates: &["conflict f"],
        tree: &[("f", "<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n")],
        ..PLAIN
    },
    Case { what: "removed, not edited", old: &[("f", ABC)], fates: &["removed f"], tree: &[], ..PLAIN },
    Case { what: "removed, edited", old: &[("f", ABC)], edits: &[("f", TOP)], fates: &["kept f"], tree: &[("f", TOP)], ..PLAIN },
    Case { what: "removed, deleted as well", old: &[("f", ABC)], edits: &[("f", "-")], tree: &[], ..PLAIN },
    Case {
        what: "removed, only its line ends edited",
        old: &[("f", ABC)],
        edits: &[("f", "a\r\nb\r\nc\r\n")],
        fates: &["removed f"],
        tree: &[],
        ..PLAIN
    },
    Case {
        what: "removed, only its permission edited",
        old: &[("f", ABC)],
        edits: &[("f", "+a\nb\nc\n")],
        fates: &["kept f"],
        tree: &[("f", "+a\nb\nc\n")],
        ..PLAIN
    },
    Case {
        what: "deleted, not changed",
        old: &[("f", ABC)],
        new: &[("f", ABC)],
        edits: &[("f", "-")],
        fates: &["kept_deleted f"],
        tree: &[],
        ..PLAIN
    },
    Case {
        what: "deleted, changed",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "-")],
        fates: &["kept_deleted f"],
        tree: &[],
        ..PLAIN
    },
    Case {
        what: "deleted, and another file of a person's",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "-"), ("g", "mine\n")],
        fates: &["kept_deleted f"],
        tree: &[("g", "mine\n")],
        ..PLAIN
    },
    Case {
        what: "emptied, changed",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "")],
        fates: &["conflict f"],
        tree: &[("f", "<<<<<<< yours\n=======\na\nb\nC\n>>>>>>> p 2\n")],
        ..PLAIN
    },
    Case {
        what: "moved, not edited",
        old: &[("f", ABC)],
        new: &[("g", ABC)],
        moved: &[("f", "g")],
        fates: &["moved g < f"],
        tree: &[("g", ABC)],
        ..PLAIN
    },
    Case {
        what: "moved, edited",
        old: &[("f", ABC)],
        new: &[("d/g", ABC)],
        moved: &[("f", "d/g")],
        edits: &[("f", TOP)],
        fates: &["moved d/g < f"],
        tree: &[("d/g", TOP)],
    },
    Case {
        what: "moved and changed, not edited",
        old: &[("f", ABC)],
        new: &[("g", END)],
        moved: &[("f", "g")],
        fates: &["clean g < f"],
        tree: &[("g", END)],
        ..PLAIN
    },
    Case {
        what: "moved and changed, edited",
        old: &[("f", ABC)],
        new: &[("g", END)],
        moved: &[("f", "g")],
        edits: &[("f", TOP)],
        fates: &["merged g < f"],
        tree: &[("g", BOTH)],
    },
    Case {
        what: "moved and changed, the same line edited",
        old: &[("f", "a\n")],
        new: &[("g", "y\n")],
        moved: &[("f", "g")],
        edits: &[("f", "x\n")],
        fates: &["conflict g < f"],
        tree: &[("g", "<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n")],
    },
    Case {
        what: "moved, deleted",
        old: &[("f", ABC)],
        new: &[("g", ABC)],
        moved: &[("f", "g")],
        edits: &[("f", "-")],
        fates: &["kept_deleted g"],
        tree: &[],
    },
    Case {
        what: "moved by a person to the same place",
        old: &[("f", ABC)],
        new: &[("g", END)],
        moved: &[("f", "g")],
        edits: &[("f", "-"), ("g", TOP)],
        fates: &["merged g"],
        tree: &[("g", BOTH)],
    },
    Case {
        what: "moved onto another file of a person's",
        old: &[("f", "a\n")],
        new: &[("g", "a\n")],
        moved: &[("f", "g")],
        edits: &[("g", "mine\n")],
        fates: &["removed f", "conflict g"],
        tree: &[("g", "<<<<<<< yours\nmine\n=======\na\n>>>>>>> p 2\n")],
    },
    Case {
        what: "moved by a person elsewhere",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "-"), ("mine", ABC)],
        fates: &["kept_deleted f"],
        tree: &[("mine", ABC)],
        ..PLAIN
    },
    Case {
        what: "renamed without a word: gone and new",
        old: &[("f", ABC)],
        new: &[("g", ABC)],
        edits: &[("f", TOP)],
        fates: &["kept f", "new g"],
        tree: &[("f", TOP), ("g", ABC)],
        ..PLAIN
    },
    Case {
        what: "two files change places",
        old: &[("f", "1\n"), ("g", "2\n")],
        new: &[("f", "2\n"), ("g", "1\n")],
        fates: &["clean f", "clean g"],
        tree: &[("f", "2\n"), ("g", "1\n")],
        ..PLAIN
    },
    Case {
        what: "a name in other letters",
        old: &[("readme", ABC)],
        new: &[("README", ABC)],
        moved: &[("readme", "README")],
        edits: &[("readme", TOP)],
        fates: &["moved README < readme"],
        tree: &[("README", TOP)],
    },
    Case {
        what: "line ends of a person's system, changed",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "a\r\nb\r\nc\r\n")],
        fates: &["clean f"],
        tree: &[("f", "a\r\nb\r\nC\r\n")],
        ..PLAIN
    },
    Case {
        what: "line ends and an edit, changed",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "A\r\nb\r\nc\r\n")],
        fates: &["merged f"],
        tree: &[("f", "A\r\nb\r\nC\r\n")],
        ..PLAIN
    },
    Case {
        what: "only line ends edited",
        old: &[("f", ABC)],
        new: &[("f", ABC)],
        edits: &[("f", "a\r\nb\r\nc\r\n")],
        tree: &[("f", "a\r\nb\r\nc\r\n")],
        ..PLAIN
    },
    Case {
        what: "no end of the last line",
        old: &[("f", "a\nb\n")],
        new: &[("f", "A\nb\n")],
        edits: &[("f", "a\nb")],
        fates: &["merged f"],
        tree: &[("f", "A\nb")],
        ..PLAIN
    },
    Case {
        what: "no end of the last line, one added after it",
        old: &[("f", "a\n")],
        new: &[("f", "a\nb\n")],
        edits: &[("f", "a")],
        fates: &["merged f"],
        tree: &[("f", "a\nb\n")],
        ..PLAIN
    },
    Case { what: "binary, changed", old: &[("f", "\0old")], new: &[("f", "\0new")], fates: &["clean f"], tree: &[("f", "\0new")], ..PLAIN },
    Case {
        what: "binary, edited",
        old: &[("f", "\0old")],
        new: &[("f", "\0old")],
        edits: &[("f", "\0mine")],
        tree: &[("f", "\0mine")],
        ..PLAIN
    },
    Case {
        what: "binary, both",
        old: &[("f", "\0old")],
        new: &[("f", "\0new")],
        edits: &[("f", "\0mine")],
        fates: &["conflict f"],
        tree: &[("f", "\0mine")],
        ..PLAIN
    },
    Case {
        what: "binary, both the same",
        old: &[("f", "\0old")],
        new: &[("f", "\0new")],
        edits: &[("f", "\0new")],
        tree: &[("f", "\0new")],
        ..PLAIN
    },
    Case {
        what: "binary, deleted",
        old: &[("f", "\0old")],
        new: &[("f", "\0new")],
        edits: &[("f", "-")],
        fates: &["kept_deleted f"],
        tree: &[],
        ..PLAIN
    },
    Case {
        what: "a text becomes binary, not edited",
        old: &[("f", ABC)],
        new: &[("f", "\0new")],
        fates: &["clean f"],
        tree: &[("f", "\0new")],
        ..PLAIN
    },
    Case {
        what: "a text becomes binary, edited",
        old: &[("f", ABC)],
        new: &[("f", "\0new")],
        edits: &[("f", TOP)],
        fates: &["conflict f"],
        tree: &[("f", TOP)],
        ..PLAIN
    },
    Case {
        what: "binary, moved, edited",
        old: &[("f", "\0old")],
        new: &[("g", "\0new")],
        moved: &[("f", "g")],
        edits: &[("f", "\0mine")],
        fates: &["conflict g < f"],
        tree: &[("g", "\0mine")],
    },
    Case {
        what: "executable now",
        old: &[("f", ABC)],
        new: &[("f", "+a\nb\nc\n")],
        fates: &["clean f"],
        tree: &[("f", "+a\nb\nc\n")],
        ..PLAIN
    },
    Case {
        what: "executable now, edited",
        old: &[("f", ABC)],
        new: &[("f", "+a\nb\nc\n")],
        edits: &[("f", TOP)],
        fates: &["merged f"],
        tree: &[("f", "+A\nb\nc\n")],
        ..PLAIN
    },
    Case {
        what: "made executable by a person, changed",
        old: &[("f", ABC)],
        new: &[("f", END)],
        edits: &[("f", "+a\nb\nc\n")],
        fates: &["merged f"],
        tree: &[("f", "+a\nb\nC\n")],
        ..PLAIN
    },
    Case {
        what: "not executable any more",
        old: &[("f", "+a\n")],
        new: &[("f", "a\n")],
        fates: &["clean f"],
        tree: &[("f", "a\n")],
        ..PLAIN
    },
    Case {
        what: "a permission taken by a person",
        old: &[("f", "+a\n")],
        new: &[("f", "+a\n")],
        edits: &[("f", "a\n")],
        tree: &[("f", "a\n")],
        ..PLAIN
    },
    Case {
        what: "binary, executable now, edited",
        old: &[("f", "\0old")],
        new: &[("f", "+\0old")],
        edits: &[("f", "\0mine")],
        fates: &["merged f"],
        tree: &[("f", "+\0mine")],
        ..PLAIN
    },
    Case {
        what: "many at once",
        old: &[("a", ABC), ("b", ABC), ("c", ABC)],
        new: &[("a", END), ("c", END), ("d", ABC)],
        edits: &[("a", TOP), ("c", "-"), ("mine", "x\n")],
        fates: &["merged a", "removed b", "kept_deleted c", "new d"],
        tree: &[("a", BOTH), ("d", ABC), ("mine", "x\n")],
        ..PLAIN
    },
];

fn file(contents: &str) -> ProjectFile {
    let bytes = contents.strip_prefix('+').unwrap_or(contents).as_bytes().to_vec();
    ProjectFile { bytes, executable: contents.starts_with('+') }
}

fn files(list: Files<'_>) -> Rendered {
    list.iter().map(|(path, contents)| ((*path).to_owned(), file(contents))).collect()
}

/// The project after a person's edits.
fn edited(old: Files<'_>, edits: Files<'_>) -> Rendered {
    let mut project = files(old);
    for (path, contents) in edits {
        match *contents {
            "-" => drop(project.remove(*path)),
            contents => drop(project.insert((*path).to_owned(), file(contents))),
        }
    }
    project
}

fn upgraded(base: &Rendered, ours: &Rendered, wanted: &Rendered, renames: &Renames) -> (Vec<Planned>, Rendered) {
    let telling = ("p 2", ConflictStyle::Inline);
    let planned = plan(&Upgrade { base, ours, wanted, renames, telling });
    let mut project = ours.clone();
    for one in &planned {
        if let Some(from) = &one.from {
            project.remove(from);
        }
        match &one.decision.write {
            Write::Nothing => {}
            Write::File(file) => drop(project.insert(one.path.clone(), file.clone())),
            Write::Removal => drop(project.remove(&one.path)),
        }
    }
    (planned, project)
}

fn fates(planned: &[Planned]) -> Vec<String> {
    let told = planned.iter().filter(|one| one.decision.fate != Fate::Same);
    told.map(|one| {
        let fate = serde_json::to_value(one.decision.fate).expect("a word");
        let from = one.from.as_ref().map_or_else(String::new, |from| format!(" < {from}"));
        format!("{} {}{from}", fate.as_str().expect("a word"), one.path)
    })
    .collect()
}

#[test]
fn the_matrix_of_changes_and_edits() {
    assert!(MATRIX.len() >= 40, "{} cases", MATRIX.len());
    for case in MATRIX {
        let (base, ours, wanted) = (files(case.old), edited(case.old, case.edits), files(case.new));
        let renames = case.moved.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let (planned, project) = upgraded(&base, &ours, &wanted, &renames);
        assert_eq!((fates(&planned), &project), (case.fates.iter().map(ToString::to_string).collect(), &files(case.tree)), "{}", case.what);
        // What is up to date stays as it is.
        if !case.fates.iter().any(|fate| fate.starts_with("conflict")) {
            let (again, same) = upgraded(&wanted, &project, &wanted, &renames);
            assert_eq!(same, project, "{}, once more", case.what);
            assert!(again.iter().all(|one| one.decision.write == Write::Nothing), "{}, once more: {again:?}", case.what);
        }
    }
}

#[test]
fn no_line_of_a_person_s_is_ever_lost() {
    for case in MATRIX {
        let (base, ours, wanted) = (files(case.old), edited(case.old, case.edits), files(case.new));
        let renames = case.moved.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let (_, project) = upgraded(&base, &ours, &wanted, &renames);
        let all = |files: &Rendered| files.values().flat_map(lines).collect::<Vec<_>>();
        let (written, afterwards) = (all(&base), all(&project));
        for line in all(&ours).iter().filter(|line| !written.contains(line)) {
            assert!(afterwards.contains(line), "{}: {line:?} is lost", case.what);
        }
    }
}

fn lines(file: &ProjectFile) -> Vec<String> {
    String::from_utf8_lossy(&file.bytes).lines().map(str::to_owned).collect()
}

/// A source of one pattern.
struct Version(Vec<(&'static str, &'static str)>);

impl Version {
    /// Files, answers and where files are now, for the answers of an older version.
    fn render(&self, version: u32, answers: &Value) -> (Rendered, Answers, Renames) {
        let catalogue = Catalogue::read(&self.0).expect("a catalogue");
        let pattern = catalogue.find("p").expect("the pattern");
        let answers: Answers = serde_json::from_value(answers.clone()).expect("answers");
        let mut given = catalogue.migrated(pattern, version, &answers);
        given.retain(|name, _| pattern.questions.contains_key(name));
        let answers = catalogue.settle(pattern, &given, &Answers::new()).expect("answers");
        let renames = catalogue.renames(pattern, version, &answers).expect("renames");
        (catalogue.render(pattern, &answers).expect("files"), answers, renames)
    }
}

/// An upgrade between two versions of a source: fates, project and answers.
fn between(old: &Version, new: &Version, answers: &Value, edits: Files<'_>) -> (Vec<String>, BTreeMap<String, String>, Value) {
    let (base, answers, _) = old.render(1, answers);
    let (wanted, answers, renames) = new.render(1, &serde_json::to_value(answers).expect("JSON"));
    let mut ours = base.clone();
    for (path, contents) in edits {
        ours.insert((*path).to_owned(), file(contents));
    }
    let (planned, project) = upgraded(&base, &ours, &wanted, &renames);
    let texts = project.into_iter().map(|(path, file)| (path, file.text().expect("a text").to_owned())).collect();
    (fates(&planned), texts, serde_json::to_value(answers).expect("JSON"))
}

const SERVICES: &str = "{% for name, service in services|items %}\n{{ name }}: {{ service.port }}\n{% endfor %}\n";

#[test]
fn nested_answers_are_kept_and_go_on() {
    let manifest = "title: t\nsummary: s\nversion: 1\nquestions:\n  services: {ask: s, type: structure, default: {}}\nfiles: [{path: f, from: f.j2}]\n";
    let newer = manifest.replace("version: 1", "version: 2").leak();
    let old = Version(vec![("patterns/p.yaml", manifest), ("f.j2", SERVICES)]);
    let new = Version(vec![
        ("patterns/p.yaml", newer),
        ("f.j2", "# services\n{% for name, service in services|items %}\n{{ name }}: {{ service.port }}\n{% endfor %}\n"),
    ]);
    let answers = json!({"services": {"api": {"port": 80, "tags": ["a"]}, "web": {"port": 81}}});
    let (fates, files, kept) = between(&old, &new, &answers, &[("f", "api: 80\nweb: 9000\n")]);
    assert_eq!((fates, files["f"].as_str(), kept), (vec!["merged f".to_owned()], "# services\napi: 80\nweb: 9000\n", answers));
}

#[test]
fn renamed_answers_and_files_go_on_under_their_new_names() {
    let old = Version(vec![
        (
            "patterns/p.yaml",
            "title: t\nsummary: s\nversion: 1\nquestions: {nmae: {ask: n}}\nfiles: [{path: '{{ nmae }}.conf', from: f.j2}]\n",
        ),
        ("f.j2", "name = {{ nmae }}\nport = 80\n"),
    ]);
    let new = Version(vec![
        (
            "patterns/p.yaml",
            "title: t\nsummary: s\nversion: 2\nquestions: {name: {ask: n}, port: {ask: p, type: integer, default: 81}}\nfiles: [{path: 'conf/{{ name }}', from: f.j2}]\n\
             migrations: [{to: 2, answers: {nmae: name}, files: {'{{ name }}.conf': 'conf/{{ name }}'}}]\n",
        ),
        ("f.j2", "name = {{ name }}\nport = {{ port }}\n"),
    ]);
    let (fates, files, answers) = between(&old, &new, &json!({"nmae": "shop"}), &[("shop.conf", "# mine\nname = shop\nport = 80\n")]);
    assert_eq!(fates, ["merged conf/shop < shop.conf"]);
    assert_eq!(files, BTreeMap::from([("conf/shop".to_owned(), "# mine\nname = shop\nport = 81\n".to_owned())]));
    assert_eq!(answers, json!({"name": "shop", "port": 81}));
}

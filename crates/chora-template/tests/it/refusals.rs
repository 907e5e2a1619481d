//! What a catalogue, a pattern or answers must not do, each with its message.

use chora_template::{Answers, Catalogue};
use insta::assert_snapshot;

const QUESTIONS: &str = "questions: {name: {ask: name, form: slug, default: notes}}\n";

/// The refusal of a catalogue with one pattern.
fn refused(files: &str, templates: &[(&'static str, &'static str)]) -> String {
    let manifest = format!("title: t\nsummary: s\nversion: 1\n{QUESTIONS}files: {files}\n");
    let mut all = vec![("patterns/p.yaml", manifest.as_str())];
    all.extend(templates);
    let catalogue = match Catalogue::read(&all) {
        Ok(catalogue) => catalogue,
        Err(error) => return error.to_string(),
    };
    let pattern = catalogue.find("p").expect("the pattern");
    let answers = catalogue.settle(pattern, &Answers::new(), &Answers::new()).expect("answers");
    catalogue.render(pattern, &answers).expect_err("it is refused").to_string()
}

#[test]
fn a_template_stays_inside() {
    let elsewhere = |path: &str| refused(&format!("[{{path: '{path}', from: a.j2}}]"), &[("a.j2", "a\n")]);
    assert_snapshot!(elsewhere("../a"), @"`../a` is outside of what a pattern may write: it leads upwards");
    assert_snapshot!(elsewhere("/etc/passwd"), @"`/etc/passwd` is outside of what a pattern may write: it is absolute");
    assert_snapshot!(elsewhere("{{ \".\" ~ \".\" }}/a"), @"`../a` is outside of what a pattern may write: it leads upwards");
    assert_snapshot!(elsewhere(".git/hooks/post-checkout"), @"`.git/hooks/post-checkout` is outside of what a pattern may write: the folder belongs to another program");
    assert_snapshot!(elsewhere("sub/.GIT/hooks/post-checkout"), @"`sub/.GIT/hooks/post-checkout` is outside of what a pattern may write: the folder belongs to another program");
    assert_snapshot!(elsewhere(".chora/answers.yaml"), @"`.chora/answers.yaml` is outside of what a pattern may write: the folder belongs to another program");
}

#[test]
fn a_template_that_fails_names_its_line() {
    let failing = |text| refused("[{path: a, from: a.j2}]", &[("a.j2", text)]);
    assert_snapshot!(failing("one\n{{ nmae }}\n"));
    assert_snapshot!(failing("one\n{% include '/etc/passwd' %}\n"));
    assert_snapshot!(failing("one\n{% if %}\n"));
    assert_snapshot!(failing("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"));
    assert_snapshot!(refused("[{path: a, from: b.j2}]", &[("a.j2", "a\n")]));
}

#[test]
fn a_manifest_that_is_not_right_names_its_place() {
    assert_snapshot!(refused("[{path: a, form: a.j2}]", &[("a.j2", "a\n")]));
    assert_snapshot!(refused("[{path: a, from: a.j2}, {path: a, from: a.j2}]", &[("a.j2", "a\n")]), @"the pattern writes `a` twice");
    let error = Catalogue::read(&[("patterns/p.yaml", "title: t\nsummary: s\nversion: 1\nparts: [none]\n")]).err().expect("a refusal");
    assert_snapshot!(error, @"the pattern `p` names the part `none`, which is not there");
}

#[test]
fn what_a_pattern_fixes_is_not_asked() {
    let part = "fixed: {a: 1, b: 1}\nquestions: {c: {ask: c, default: '1'}, d: {ask: d, default: '1'}}\nfiles: [{path: a, from: a.j2}]\n";
    let pattern = "title: t\nsummary: s\nversion: 1\nparts: [part]\nfixed: {b: 2, c: 2}\n";
    let files = [("parts/part.yaml", part), ("patterns/p.yaml", pattern), ("a.j2", "{{ a }}{{ b }}{{ c }}{{ d }}")];
    let catalogue = Catalogue::read(&files).expect("the catalogue");
    let pattern = catalogue.find("p").expect("the pattern");
    let answers = catalogue.settle(pattern, &Answers::new(), &Answers::new()).expect("answers");
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["d"]);
    assert_eq!(catalogue.render(pattern, &answers).expect("files")["a"].text(), Some("1221"));
}

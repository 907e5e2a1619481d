//! What a container starts with.

use chora_syntax::dockerfile::{InstructionKind, Start};

use super::{Subject, Target, each};
use crate::audit::marks::Marks;

pub(super) fn exec_form(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let entrypoint = |kind: &'_ InstructionKind| if let InstructionKind::Entrypoint(start) = kind { Some(start.clone()) } else { None };
        let cmd = |kind: &'_ InstructionKind| if let InstructionKind::Cmd(start) = kind { Some(start.clone()) } else { None };
        judge("ENTRYPOINT", target, entrypoint, marks);
        judge("CMD", target, cmd, marks);
    });
}

fn judge(name: &str, target: &Target<'_>, wanted: impl Fn(&InstructionKind) -> Option<Start>, marks: &mut Marks) {
    let Some((line, start)) = target.backwards().find_map(|one| Some((one.line, wanted(&one.kind)?))) else { return };
    // A shell that hands over to the program is out of the way.
    let hands_over = start.words.first().is_some_and(|line| line.trim_start().starts_with("exec "));
    if !start.is_shell || hands_over {
        marks.good(target.at(line, format!("{name} without a shell")));
    } else {
        marks.bad(target.at(line, format!("{name} in shell form: signals do not reach the program")));
    }
}

//! Whom the image runs as.

use chora_syntax::dockerfile::InstructionKind;

use super::{Subject, Target, each};
use crate::audit::marks::Marks;

pub(super) fn fixed(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, judge);
}

fn judge(target: &Target<'_>, marks: &mut Marks) {
    let user = target.backwards().find_map(|instruction| match &instruction.kind {
        InstructionKind::User(user) => Some((instruction.line, user)),
        _ => None,
    });
    let Some((line, user)) = user else {
        let line = target.stage.line;
        // Images without a shell that come with a user of their own say so in their tags.
        if target.file.chain(target.stage).any(|stage| stage.base.contains("nonroot")) {
            return marks.good(target.at(line, "the base image has a user of its own"));
        }
        return marks.bad(target.at(line, "no USER in the last stage: it runs as root"));
    };
    let value = target.file.replaced(target.stage, user);
    let name = value.split(':').next().unwrap_or_default();
    match name.parse::<u32>() {
        Ok(0) => marks.bad(target.at(line, "it runs as root")),
        Ok(_) => marks.good(target.at(line, format!("USER {value}"))),
        Err(_) if name == "root" => marks.bad(target.at(line, "it runs as root")),
        Err(_) if name.is_empty() => marks.half(target.at(line, format!("USER {user} is not known before it is built"))),
        Err(_) if has_fixed_id(target, name) => marks.good(target.at(line, format!("USER {value}"))),
        Err(_) => marks.half(target.at(line, format!("user `{name}` has no fixed id"))),
    }
}

/// Whether the user is made with an id of its own.
fn has_fixed_id(target: &Target<'_>, name: &str) -> bool {
    target.backwards().any(|instruction| {
        let InstructionKind::Run { command, .. } = &instruction.kind else { return false };
        command.split(['&', ';', '\n']).any(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            let makes = words.iter().any(|word| word.ends_with("useradd") || word.ends_with("adduser"));
            let is_id = |word: &&str| ["-u", "--uid"].iter().any(|flag| word.starts_with(flag));
            makes && words.iter().any(is_id) && words.iter().any(|word| word.trim_matches(['"', '\'']) == name)
        })
    })
}

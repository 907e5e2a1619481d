//! Work that two runs of this suite share, one for each of the supported engines: what takes many turns is not done in full by
//! both, and together they leave none out.

/// Whether this run takes a turn: the one with the oldest engine takes one of so many, the one with the newest engine the others,
/// and a run that nobody told to share takes all.
pub(crate) fn takes(turn: usize, of: usize) -> bool {
    let of_the_oldest = turn.is_multiple_of(of);
    match std::env::var("CHORA_TEST_SHARE").as_deref() {
        Ok("oldest") => of_the_oldest,
        Ok("newest") => !of_the_oldest,
        _ => true,
    }
}

/// Those of some cases whose turn it is.
pub(crate) fn shared<T>(cases: impl IntoIterator<Item = T>, of: usize) -> impl Iterator<Item = T> {
    cases.into_iter().enumerate().filter(move |(turn, _)| takes(*turn, of)).map(|(_, case)| case)
}

/// Whether this run does what is done once, with the newest engine; a run that nobody told to share does it, too.
pub(crate) fn is_of_the_newest() -> bool {
    takes(1, 2)
}

//! Two processes that want the same environment at the very same moment.

use std::time::Duration;

use super::site::{ASKED, PAIR, Site};
use crate::support::Running;

/// How often they race.
const RACES: u32 = 20;
/// Every how many races the winner goes on to the end; the others are killed, which is quicker.
const ENDS: u32 = 5;

#[test]
fn of_two_deploys_at_once_exactly_one_wins() {
    let site = Site::new(PAIR, ASKED);
    site.release("v0");
    let (mut won_first, mut live) = (0, "v0".to_owned());
    for race in 1..=RACES {
        let versions = [format!("v{race}a"), format!("v{race}b")];
        site.set(&[("RELEASE", &format!("r{race}"))]);
        // The winner waits before its first step, so that the other one cannot come too late.
        let start = |version: &String| site.chora.start_with(&[("CHORA_PAUSE_AT", "0:before")], ["deploy", "--version", version]);
        let racing = [start(&versions[0]), start(&versions[1])];
        let (first_won, winner, loser) = split(racing);
        won_first += u32::from(first_won);
        let version = &versions[usize::from(!first_won)];
        let lost = loser.wait();
        assert_eq!(lost.code, 75, "{lost}");
        let holder = format!("error: environment `production` is held by process {} on ", winner.pid());
        assert!(lost.stderr.starts_with(&holder), "{lost}");
        assert!(lost.stderr.contains(&format!("state: deploy {version} is running; nothing was changed by this command")), "{lost}");
        winner.wait_for("waiting to be killed");
        if race % ENDS == 0 {
            winner.signal("CONT");
            let won = winner.wait();
            assert!(won.code == 0 && won.stdout.contains(&format!("{version} is live")), "{won}");
            live.clone_from(version);
        } else {
            winner.kill();
            let undone = site.chora.run(["abort"]);
            assert!(undone.code == 0 && undone.stdout.contains(&format!("{version} was undone; {live} serves")), "{undone}");
        }
        assert_eq!(site.json(&["status"])["version"], live.as_str());
    }
    println!("{RACES} races, the first to start won {won_first}");
    assert_eq!(site.get("/"), (200, format!("r{RACES}")));
}

/// The one that ends is the loser: the winner waits.
fn split(racing: [Running; 2]) -> (bool, Running, Running) {
    let [mut one, mut two] = racing;
    loop {
        if one.has_ended() {
            return (false, two, one);
        }
        if two.has_ended() {
            return (true, one, two);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

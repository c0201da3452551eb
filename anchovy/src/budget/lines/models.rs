//! Receives of one account on several threads, in every order.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::explore;

const A: AccountKey = AccountKey::Uid(1);

#[test]
fn a_line_without_receives_has_only_the_rounds_of_sets() {
    explore(|| {
        let lines = Arc::new(Lines::new());
        let receive = |lines: &Lines| {
            lines.note_set(A, FDS_PER_ROUND);
            let position = lines.join(A);
            lines.note_set(A, FDS_PER_ROUND);
            position.into_iter().for_each(|position| lines.leave(A, position, true));
        };
        let other = thread::spawn({
            let lines = Arc::clone(&lines);
            move || receive(&lines)
        });
        receive(&lines);
        other.join().unwrap();
        assert_eq!(lines.len(), 1);
        let by_account = lines.by_account.lock().unwrap();
        let line = by_account[&A];
        assert_eq!(line.receives, 0);
        assert!((1..=4).contains(&line.left()), "{line:?}");
    });
}

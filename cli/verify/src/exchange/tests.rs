#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;

const WINDOW: i64 = 1000;

fn terms() -> Terms {
    Terms { decided: 100, commands_truncated: false, results_truncated: false, answered_since: 0, window: WINDOW }
}

fn command(what: u128, offset: Offset) -> Vec<Mark> {
    vec![Mark { what, order: offset << 1, says: 0 }]
}

/// `first` is what a repeat gets, 0 if this answer is none of these.
fn answer(what: u128, offset: Offset, first: u64, at: i64) -> Vec<Mark> {
    let order = ANSWER | offset << 1;
    vec![Mark { what, order, says: first }, Mark { what, order: order | TIME, says: at.cast_unsigned() }]
}

fn events(what: u128, offset: Offset, at: i64) -> Vec<Mark> {
    vec![Mark { what, order: EVENTS | offset << 1, says: at.cast_unsigned() }]
}

fn found(terms: Terms, marks: &[Vec<Mark>]) -> Vec<(Code, Offset)> {
    let mut marks = marks.concat();
    marks.sort_unstable();
    let mut matching = Matching::new(terms);
    let mut found = Vec::new();
    for _ in 0..2 {
        marks.iter().for_each(|mark| found.extend(matching.see(*mark)));
        found.extend(matching.end_of_pass());
    }
    found.iter().map(|unmatched| (unmatched.code, unmatched.offset)).collect()
}

#[test]
fn a_command_and_its_answer_match_and_so_do_repeats() {
    let marks = [command(1, 0), answer(1, 0, 7, 5), command(2, 1), answer(2, 1, 9, 6), command(1, 2), answer(1, 2, 7, 7)];
    assert_eq!(found(terms(), &marks), []);
}

#[test]
fn a_command_that_waits_behind_the_writer_needs_no_answer_and_one_before_it_does() {
    let marks = [command(1, 99), command(2, 100), command(3, 98), answer(3, 0, 1, 1)];
    assert_eq!(found(terms(), &marks), [(Code::ResultMissing, 99)]);
}

#[test]
fn an_answer_too_many_is_found_with_and_without_a_command() {
    let marks = [command(1, 0), answer(1, 0, 7, 5), answer(1, 1, 7, 5), answer(2, 2, 7, 5)];
    assert_eq!(found(terms(), &marks), [(Code::ResultDouble, 1), (Code::ResultWithoutCommand, 2)]);
}

#[test]
fn two_first_answers_are_one_too_many_unless_the_key_was_forgotten_between_them() {
    let two = |at| [command(1, 0), command(1, 1), answer(1, 0, 7, 5), answer(1, 1, 9, at)];
    assert_eq!(found(terms(), &two(5 + WINDOW)), [(Code::AnswersDiffer, 1)]);
    assert_eq!(found(terms(), &two(6 + WINDOW)), []);
    let refused_meanwhile = [command(1, 0), command(1, 1), answer(1, 0, 7, 5), answer(1, 1, 0, 6)];
    assert_eq!(found(terms(), &refused_meanwhile), [], "a refusal of the writer's own is no first answer");
}

#[test]
fn what_retention_removed_is_excused_and_nothing_behind_it() {
    let commands_gone = Terms { commands_truncated: true, ..terms() };
    let marks = [answer(1, 0, 7, 5), answer(2, 1, 7, 5), command(3, 10), answer(3, 2, 7, 5), answer(4, 3, 7, 5)];
    assert_eq!(found(commands_gone, &marks), [(Code::ResultWithoutCommand, 3)]);
    let results_gone = Terms { results_truncated: true, ..terms() };
    let marks = [command(1, 0), command(2, 1), answer(2, 10, 7, 5), command(3, 2)];
    assert_eq!(found(results_gone, &marks), [(Code::ResultMissing, 2)]);
}

#[test]
fn a_repeat_whose_first_command_was_removed_is_no_answer_too_many() {
    let gone = Terms { commands_truncated: true, ..terms() };
    let marks = [answer(1, 0, 7, 5), command(2, 10), answer(2, 1, 7, 5), command(1, 11), answer(1, 2, 7, 5)];
    assert_eq!(found(gone, &marks), []);
}

#[test]
fn events_are_those_of_an_answered_command_and_in_one_place() {
    let decided = [command(1, 0), events(1, 7, 5), answer(1, 0, 7, 5)];
    assert_eq!(found(terms(), &decided), []);
    assert_eq!(found(terms(), &[events(1, 7, 5)]), [(Code::EventWithoutResult, 7)]);
    let again = |at| [command(1, 0), events(1, 7, 5), events(1, 9, at), answer(1, 0, 7, 5)];
    assert_eq!(found(terms(), &again(5 + WINDOW)), [(Code::CommandDecidedTwice, 9)]);
    assert_eq!(found(terms(), &again(6 + WINDOW)), [], "the command was forgotten in between");
}

#[test]
fn events_whose_answers_were_removed_are_excused_and_no_later_ones() {
    let gone = Terms { results_truncated: true, answered_since: 5, ..terms() };
    assert_eq!(found(gone, &[events(1, 7, 5), events(2, 8, 6)]), [(Code::EventWithoutResult, 8)]);
}

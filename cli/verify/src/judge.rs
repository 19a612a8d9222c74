//! Judges sorted marks, and says of each thing found what stands there.
//!
//! A mark has room for an offset and no more, so what is listed is read again from the log; what is only counted is not.

use crate::{
    Options,
    census::Census,
    code::Code,
    ends::Lane,
    error::{VerifyError, blocking, within},
    events::{OFFSET_BITS, Pairs, SeqFault, Seqs},
    exchange::{Matching, Terms, Unmatched},
    finding::{Finding, Findings, Place},
    marks::{Mark, Marks},
};
use log::{Log, Offset, Source};
use schemas::envelope::Envelope;
use uuid::Uuid;

pub(crate) struct Judge<'a> {
    pub log: &'a dyn Log,
    pub options: &'a Options,
}

/// Counts what is found and keeps what is to be listed.
struct Tally<T> {
    findings: Findings,
    kept: Vec<T>,
}

impl<T> Tally<T> {
    /// Takes over the findings of somebody, who gets them back.
    fn of(findings: &mut Findings) -> Self {
        Self { findings: std::mem::replace(findings, Findings::new(0)), kept: Vec::new() }
    }

    fn add(&mut self, part: &str, code: Code, found: T) {
        if self.findings.count(part, code) {
            self.kept.push(found);
        }
    }
}

impl Judge<'_> {
    /// Seqs of an aggregate are contiguous from 1.
    pub(crate) async fn seqs(&self, marks: Marks, census: &mut Census) -> Result<(), VerifyError> {
        let (mut tally, part) = (Tally::of(&mut census.findings), census.part.clone());
        let walk = move || {
            let mut seqs = Seqs::default();
            let see = |mark| seqs.see(mark).into_iter().for_each(|fault| tally.add(&part, fault.code, fault));
            marks.sorted().each(see)?;
            Ok(tally)
        };
        let Tally { findings, kept } = blocking(walk).await?;
        census.findings = findings;
        for SeqFault { code, offset, expected, found } in kept {
            let place = self.place(&census.source, offset).await?;
            let (expected, found) = (format!("seq {expected} of its aggregate"), format!("seq {found}"));
            census.findings.list(Finding::new(code, place, expected, found));
        }
        Ok(())
    }

    /// No two events have one id, in whatever partitions.
    pub(crate) async fn ids(&self, marks: Marks, sources: Vec<Source>, findings: &mut Findings) -> Result<(), VerifyError> {
        let mut tally = Tally::of(findings);
        let walk = move || {
            let mut pairs = Pairs::default();
            let of = |mark: Mark| usize::try_from(mark.order >> OFFSET_BITS).ok().and_then(|number| sources.get(number).cloned());
            marks.sorted().each(|mark| {
                if let Some((first, second)) = pairs.see(mark)
                    && let (Some(one), Some(other)) = (of(first), of(second))
                {
                    tally.add(&other.to_string(), Code::EventIdDouble, (one, first.says, other, second));
                }
            })?;
            Ok(tally)
        };
        let Tally { findings: counted, kept } = blocking(walk).await?;
        *findings = counted;
        for (one, position, other, mark) in kept {
            let place = self.place(&other, mark.order & ((1 << OFFSET_BITS) - 1)).await?;
            let found = format!("event id {}, which {one} position {position} has too", Uuid::from_u128(mark.what));
            findings.list(Finding::new(Code::EventIdDouble, place, "an id of its own", found));
        }
        Ok(())
    }

    /// Commands, answers and events of a lane belong together.
    pub(crate) async fn matching(&self, marks: Marks, terms: Terms, lane: &Lane) -> Result<Findings, VerifyError> {
        let parts = (lane.events.to_string(), lane.results.to_string());
        let mut tally = Tally { findings: Findings::new(self.options.listed), kept: Vec::new() };
        let walk = move || {
            let (mut sorted, mut matching) = (marks.sorted(), Matching::new(terms));
            let mut add = |found: Vec<Unmatched>| {
                for unmatched in found {
                    let part = if unmatched.is_of_event() { &parts.0 } else { &parts.1 };
                    tally.add(part, unmatched.code, unmatched);
                }
            };
            for _ in 0..2 {
                sorted.each(|mark| add(matching.see(mark)))?;
                add(matching.end_of_pass());
            }
            Ok(tally)
        };
        let Tally { mut findings, kept } = blocking(walk).await?;
        for unmatched in kept {
            findings.list(self.unmatched(&unmatched, &terms, lane).await?);
        }
        Ok(findings)
    }

    async fn unmatched(&self, unmatched: &Unmatched, terms: &Terms, lane: &Lane) -> Result<Finding, VerifyError> {
        let Unmatched { code, offset, commands, answers } = *unmatched;
        let Lane { commands: sent, events, results } = lane;
        let (source, part, expected, found) = match code {
            Code::AnswersDiffer => {
                (results, results, "one first answer, which every repeat gets".to_owned(), "another answer".to_owned())
            }
            Code::CommandDecidedTwice => {
                (events, events, "the events of a command in one place".to_owned(), "events of it in another place".to_owned())
            }
            Code::EventWithoutResult => {
                (events, events, format!("an answer to its command in {results}"), "no answer".to_owned())
            }
            _ => {
                let expected = format!("an answer to each of {commands} commands of this id and key");
                let found = format!("{answers} answers");
                if code == Code::ResultMissing {
                    let where_it_is = format!("; the command is in {sent}, before the writer's offset {}", terms.decided);
                    (sent, results, expected, found + &where_it_is)
                } else {
                    (results, results, expected, found)
                }
            }
        };
        let place = Place { part: part.to_string(), ..self.place(source, offset).await? };
        Ok(Finding::new(code, place, expected, found))
    }

    /// What stands at an offset.
    async fn place(&self, source: &Source, offset: Offset) -> Result<Place, VerifyError> {
        let place = Place::part(source).offset(offset);
        let records = within("reading the log", self.log.read(source, offset, 1)).await?;
        let Some(record) = records.first() else { return Ok(place) };
        let position = Envelope::decode(&record.envelope).ok().and_then(|envelope| u64::try_from(envelope.position).ok());
        let place = place.key(String::from_utf8_lossy(&record.key));
        Ok(Place { position: position.filter(|position| *position > 0), ..place })
    }
}

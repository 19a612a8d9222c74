//! The report for people: what was looked at, what was found, the verdict.

use crate::output::{Column, table, text};
use serde::Serialize;
use serde_json::{Value, to_value};
use std::fmt::{self, Write};
use verify::{Finding, Report};

/// The whole report.
pub fn of(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a String does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    section(
        out,
        &report.partitions,
        &[
            ("LOG", |p| format!("{}/{}", text(&p["topic"]), p["partition"])),
            ("RECORDS", |p| text(&p["records"])),
            ("FIRST", |p| text(&p["first"])),
            ("LAST", |p| text(&p["last"])),
            ("ERRORS", |p| text(&p["errors"])),
        ],
    )?;
    section(
        out,
        &report.read_models,
        &[
            ("READ MODEL", |m| text(&m["name"])),
            ("ROWS", |m| text(&m["rows"])),
            ("MISSING", |m| text(&m["missing"])),
            ("EXTRA", |m| text(&m["extra"])),
            ("DIFFERENT", |m| text(&m["different"])),
            ("UNJUDGED", |m| text(&m["unjudged"])),
            ("PARKED", |m| text(&m["parked"])),
            ("BEHIND", |m| text(&m["behind"])),
            ("ERRORS", |m| text(&m["errors"])),
        ],
    )?;
    section(
        out,
        &report.clickhouse,
        &[
            ("CLICKHOUSE", |t| format!("{} {}/{}", text(&t["table"]), text(&t["topic"]), t["partition"])),
            ("ROWS", |t| text(&t["rows"])),
            ("EXPECTED", |t| text(&t["expected"])),
            ("PARKED", |t| text(&t["parked"])),
            ("ERRORS", |t| text(&t["errors"])),
        ],
    )?;
    if let Some(archive) = &report.archive {
        section(
            out,
            std::slice::from_ref(archive),
            &[
                ("ARCHIVE FILES", |a| text(&a["files"])),
                ("RECORDS", |a| text(&a["records"])),
                ("BYTES", |a| text(&a["bytes"])),
                ("UNSEALED", |a| text(&a["unsealed"])),
                ("ERRORS", |a| text(&a["errors"])),
            ],
        )?;
    }
    report.findings.iter().try_for_each(|finding| say(out, finding))?;
    for rest in &report.unlisted {
        writeln!(out, "{} in {}: {} more", rest.code.name(), rest.part, rest.more)?;
    }
    let verdict = if report.clean { "clean".to_owned() } else { format!("{} errors", report.errors) };
    let (records, seconds) = (report.records, report.seconds);
    write!(out, "{verdict}: {records} records in {seconds:.1} s ({:.0}/s)", records as f64 / seconds.max(0.001))
}

fn section<T: Serialize>(out: &mut String, items: &[T], columns: &[Column]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    let items: Vec<Value> = items.iter().filter_map(|item| to_value(item).ok()).collect();
    writeln!(out, "{}\n", table(&items, columns))
}

fn say(out: &mut String, finding: &Finding) -> fmt::Result {
    let Finding { code, place, expected, found, columns, what_to_do } = finding;
    let kind = if code.is_note() { "note" } else { "error" };
    writeln!(out, "{kind} {} at {place}", code.name())?;
    writeln!(out, "  expected: {expected}\n  found:    {found}")?;
    for column in columns {
        writeln!(out, "    {}: expected {}, stored {}", column.column, column.expected, column.stored)?;
    }
    writeln!(out, "  to do:    {what_to_do}\n")
}

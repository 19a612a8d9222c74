//! Progress on stderr: a bar for people, and a line for each part that is done.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};
use verify::Progress;

/// The bar of all parts, and the part that is under way.
pub struct Bar {
    bar: ProgressBar,
    part: Mutex<Option<Part>>,
}

struct Part {
    name: String,
    /// How much was done when it began.
    before: u64,
    done: u64,
    began: Instant,
}

impl Bar {
    /// Nothing is done yet.
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len}  {per_sec}  ETA {eta}  {msg}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, part: Mutex::new(None) }
    }

    /// Shows how far the check is.
    pub fn see(&self, Progress { doing, done, total }: Progress<'_>) {
        self.bar.set_length(total.max(done));
        self.bar.set_position(done);
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *part {
            Some(part) if part.name == doing => part.done = done,
            other => {
                let (before, began) = other.as_ref().map_or((0, Instant::now()), |part| (part.done, Instant::now()));
                if let Some(ended) = other.replace(Part { name: doing.to_owned(), before, done, began }) {
                    self.line(&ended);
                }
                self.bar.set_message(doing.to_owned());
            }
        }
    }

    /// Everything is done.
    pub fn finish(&self) {
        if let Some(last) = self.part.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.line(&last);
        }
        self.bar.finish_and_clear();
    }

    fn line(&self, Part { name, before, done, began }: &Part) {
        let (count, seconds) = (done - before, began.elapsed().as_secs_f64());
        let rate = count as f64 / seconds.max(0.001);
        self.bar.suspend(|| match count {
            0 => eprintln!("{name}: {seconds:.1} s"),
            _ => eprintln!("{name}: {count} in {seconds:.1} s ({rate:.0}/s)"),
        });
    }
}

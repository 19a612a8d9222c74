//! Tries again while the log is busy, until the lane has to go.

use crate::WriterError;
use futures::future::BoxFuture;
use log::LogError;
use std::time::Duration;
use tokio::sync::watch;

/// Why a lane stops working.
#[derive(Debug)]
pub(crate) enum Interrupt {
    /// It was told to.
    Leave,
    /// A newer owner has the lane.
    Fenced(String),
    /// The writer has to stop.
    Stop(WriterError),
}

impl From<WriterError> for Interrupt {
    fn from(error: WriterError) -> Self {
        Self::Stop(error)
    }
}

/// A pause that doubles with every try.
#[derive(Debug)]
pub(crate) struct Pause(Duration);

impl Pause {
    const LONGEST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self(Duration::from_millis(5))
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LONGEST);
        pause
    }
}

/// Waits out a busy log, but not longer than its lane lives.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    leave: watch::Receiver<bool>,
}

impl Patience {
    /// `leave` says when the lane has to go.
    pub(crate) fn new(leave: watch::Receiver<bool>) -> Self {
        Self { leave }
    }

    /// Refuses once the lane has to go.
    pub(crate) fn check(&self) -> Result<(), Interrupt> {
        if *self.leave.borrow() { Err(Interrupt::Leave) } else { Ok(()) }
    }

    /// Returns when the lane has to go.
    pub(crate) async fn left(&mut self) {
        // An error means that whoever could say so is gone, which says it too.
        let _ = self.leave.wait_for(|leave| *leave).await;
    }

    /// Waits for a while.
    pub(crate) async fn pause(&mut self, pause: &mut Pause) -> Result<(), Interrupt> {
        tokio::select! {
            biased;
            () = self.left() => Err(Interrupt::Leave),
            () = tokio::time::sleep(pause.next()) => Ok(()),
        }
    }

    /// Calls until the log answers.
    pub(crate) async fn until<'a, T>(
        &mut self,
        mut call: impl FnMut() -> BoxFuture<'a, Result<T, LogError>>,
    ) -> Result<T, Interrupt> {
        let mut pause = Pause::new();
        loop {
            self.check()?;
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error @ (LogError::Transient(_) | LogError::Ambiguous(_))) => {
                    tracing::warn!(%error, "the log does not answer, trying again");
                    self.pause(&mut pause).await?;
                }
                Err(error @ LogError::Fenced { .. }) => return Err(Interrupt::Fenced(error.to_string())),
                Err(error @ (LogError::Absent(_) | LogError::Fatal(_))) => return Err(WriterError::Fatal(error).into()),
            }
        }
    }
}

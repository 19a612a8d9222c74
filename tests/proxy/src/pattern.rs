//! Which frames a test means.

use crate::frame::{Api, Head};

/// Frames of one direction, of any kind or of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    pub(crate) direction: Direction,
    api: Option<Api>,
    is_transactional: bool,
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

impl Pattern {
    /// Everything that clients send.
    pub const REQUEST: Self = Self { direction: Direction::ToServer, api: None, is_transactional: false };
    /// Everything that the server sends.
    pub const RESPONSE: Self = Self { direction: Direction::ToClient, api: None, is_transactional: false };

    /// Requests of one kind.
    pub const fn request(api: Api) -> Self {
        Self { api: Some(api), ..Self::REQUEST }
    }

    /// Responses to requests of one kind.
    pub const fn response(api: Api) -> Self {
        Self { api: Some(api), ..Self::RESPONSE }
    }

    /// Of these only the records, or answers to records, of transactions.
    pub const fn transactional(self) -> Self {
        Self { is_transactional: true, ..self }
    }

    pub(crate) fn matches(&self, direction: Direction, head: Option<Head>) -> bool {
        self.direction == direction
            && self.api.is_none_or(|api| head.is_some_and(|head| head.api == api))
            && (!self.is_transactional || head.is_some_and(|head| head.is_transactional))
    }
}

//! Given/when/then for deciders and projections.

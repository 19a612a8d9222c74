//! The pure read models and their registry.

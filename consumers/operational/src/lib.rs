//! The consumer that feeds the operational read models.

//! The consumer that writes the archive.

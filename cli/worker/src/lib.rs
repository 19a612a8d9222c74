//! The reference worker: leases jobs over HTTP and trains real models.

//! World, journeys, faults, oracle and benchmarks.

//! Rollbacks over MLflow's model registry.

mod faults;
mod lab;
mod real;

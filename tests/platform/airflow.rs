//! Runs of DAGs in Airflow 3 and 2: the same tests on a strict stand-in, and on the real one where `scripts/airflow` started it.

mod contract;
mod faults;
mod lab;
#[allow(dead_code, reason = "each test binary uses its part")]
mod stand_in;
mod version;

//! The pipeline from partition to ledger to connector, running in one process over a log in memory: what is promised
//! when actors fail, the log is away, partitions come and go, and too much comes at once.

mod bench;
mod flow;
mod ledger;
mod memory_log;
mod outage;
mod poison;

//! The pipeline from partition to ledger to connector, running in one process over a log in memory: what is promised
//! when actors fail, the log is away, partitions come and go, and too much comes at once.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod bulkheads;
#[cfg(test)]
mod doubles;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod memory_log;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod poison;
mod removal;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod tending;

//! Mends two faults of librdkafka 2.12.1, by which bytes on a broker's disk can end the process. See `build.rs`; there is
//! nothing to call: a package that names this one (`use homeostat_client_patch as _`) is linked with the mended reader.
#![forbid(unsafe_code)]

use rdkafka_sys as _;

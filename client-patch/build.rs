//! Compiles librdkafka's reader of fetched batches (`rdkafka_msgset_reader.c`) once more, from the source and with the settings of
//! rdkafka-sys, after mending it. The linker takes the mended object, which is always linked, and leaves the faulty one in its
//! archive; were both linked, their functions would be defined twice, which is an error.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const SOURCE: &str = "rdkafka_msgset_reader.c";

/// What is wrong, as it is in the source, and what is there instead.
const MENDED: [(&str, &str); 2] = [
    // After a batch with a wrong checksum the reader jumps to a place that is counted from the start of the answer instead of from
    // the batch, and takes the bytes there for a batch. It shall end there: the error is reported, and the batch is asked for again.
    (
        "                        rd_kafka_buf_skip_to(rkbuf, crc_len);
                        rd_atomic64_add(&msetr->msetr_rkb->rkb_c.rx_err, 1);
                        return RD_KAFKA_RESP_ERR_NO_ERROR;
",
        "                        rd_atomic64_add(&msetr->msetr_rkb->rkb_c.rx_err, 1);
                        return RD_KAFKA_RESP_ERR__BAD_MSG;
",
    ),
    // A message of format 0 or 1 that says it is shorter than its checksum (zeros do) trips an assertion, which ends the process.
    (
        "        rd_kafka_buf_read_i32(rkbuf, &hdr.Crc);
        if (!rd_slice_narrow_copy_relative(&rkbuf->rkbuf_reader, &crc_slice,
                                           hdr.MessageSize - 4))
",
        "        if (unlikely(hdr.MessageSize < 4)) {
                rd_kafka_consumer_err(
                    &msetr->msetr_rkq, msetr->msetr_broker_id,
                    RD_KAFKA_RESP_ERR__BAD_MSG, msetr->msetr_tver->version,
                    NULL, rktp, hdr.Offset,
                    \"Message at offset %\" PRId64 \" has a size of %\" PRId32,
                    hdr.Offset, hdr.MessageSize);
                rd_atomic64_add(&rkb->rkb_c.rx_err, 1);
                return RD_KAFKA_RESP_ERR__BAD_MSG;
        }
        rd_kafka_buf_read_i32(rkbuf, &hdr.Crc);
        if (!rd_slice_narrow_copy_relative(&rkbuf->rkbuf_reader, &crc_slice,
                                           hdr.MessageSize - 4))
",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    // rdkafka-sys says where it built librdkafka.
    let root = PathBuf::from(env::var("DEP_RDKAFKA_ROOT")?);
    let folder = root.join("src");
    let mut source = fs::read_to_string(folder.join(SOURCE))?;
    for (faulty, mended) in MENDED {
        if source.matches(faulty).count() != 1 {
            let text = format!(
                "{SOURCE} is not the one that this patch was made for; see client-patch/build.rs:\n{faulty}"
            );
            return Err(text.into());
        }
        source = source.replacen(faulty, mended, 1);
    }
    let patched = PathBuf::from(env::var("OUT_DIR")?).join(SOURCE);
    fs::write(&patched, source)?;
    // Where the headers of OpenSSL and zstd are.
    let settings = fs::read_to_string(root.join("Makefile.config"))?;
    let flags = settings
        .lines()
        .filter(|line| line.starts_with("CFLAGS+="))
        .flat_map(str::split_whitespace);
    cc::Build::new()
        .file(&patched)
        .include(&folder)
        .includes(flags.filter_map(|flag| flag.strip_prefix("-I")))
        .warnings(false)
        .link_lib_modifier("+whole-archive")
        .try_compile("homeostat_msgset_reader")?;
    Ok(())
}

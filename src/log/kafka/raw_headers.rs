//! Headers of a record, read and written through librdkafka's own interface: the accessor of the crate panics at a name that
//! is not UTF-8, and its writer takes text only (issue 13, row 1). The only file of the project that contains unsafe code.
#![allow(
    unsafe_code,
    reason = "header names are bytes, and only librdkafka's C interface gives them; each block says why it is sound"
)]

use std::ffi::{CStr, c_char, c_void};
use std::mem::offset_of;
use std::ptr;

use homeostat_actors::ports::log::Header;
use rdkafka::bindings::{
    rd_kafka_header_add, rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_headers,
    rd_kafka_version,
};
use rdkafka::message::{BorrowedMessage, OwnedHeaders};
use rdkafka::types::RDKafkaRespErr;

/// The version whose source was read for [`Layout`]; with another one, names end at their first NUL.
const LAYOUT_OF: i32 = 0x020c_01ff;

/// Marks headers that the client cannot read at all (more than 100,000 of them, or damaged ones). It is no text, so
/// the record becomes a dead letter and is not taken for one without headers.
pub(super) const UNREADABLE: &[u8] = b"\xffthe client cannot read the headers";

/// `rd_kafka_header_t` (`rdkafka_header.h`): a header as librdkafka keeps it, in one allocation with name and value.
#[repr(C)]
struct Layout {
    serialized_size: usize,
    value_size: usize,
    name_size: usize,
    value: *mut c_char,
    name: [c_char; 1],
}

/// Replaces what `headers` held by the message's headers.
pub(super) fn read(message: &BorrowedMessage<'_>, headers: &mut Vec<Header>) {
    headers.clear();
    let mut list: *mut rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message is alive, and so is what it points to. The list is parsed into it at the first call and freed
    // with it.
    match unsafe { rd_kafka_message_headers(message.ptr(), &raw mut list) } {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => return,
        _ => {
            headers.push(Header {
                name: UNREADABLE.to_vec(),
                value: None,
            });
            return;
        }
    }
    // SAFETY: a constant of the library.
    let known = unsafe { rd_kafka_version() } == LAYOUT_OF;
    for index in 0.. {
        let mut name: *const c_char = ptr::null();
        let mut value: *const c_void = ptr::null();
        let mut size = 0;
        // SAFETY: the list belongs to the message, which outlives this loop, and nothing changes it meanwhile. An index
        // behind the last header is answered by an error.
        let found = unsafe {
            rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size)
        };
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        // SAFETY: `name` and `value` are those of a header of the list, just given by it.
        let header = unsafe {
            Header {
                name: name_at(name, known).to_vec(),
                value: (!value.is_null())
                    .then(|| std::slice::from_raw_parts(value.cast::<u8>(), size).to_vec()),
            }
        };
        headers.push(header);
    }
}

/// The bytes of a header's name, NULs included.
///
/// # Safety
/// `name` is the name of a header that lives for `'a`, as `rd_kafka_header_get_all` gives it. `known`: the library is of the
/// version [`LAYOUT_OF`].
#[allow(
    clippy::cast_ptr_alignment,
    reason = "it goes back to the start of an allocation that is aligned for the struct"
)]
unsafe fn name_at<'a>(name: *const c_char, known: bool) -> &'a [u8] {
    if !known {
        // SAFETY: librdkafka ends every name with a NUL (its documentation of the function).
        return unsafe { CStr::from_ptr(name) }.to_bytes();
    }
    // SAFETY: `rd_kafka_header_get_all` returns the address of `rkhdr_name` inside an `rd_kafka_header_t`, which
    // `rd_kafka_header_add`, its only constructor, allocated aligned, in one piece with `rkhdr_name_size` bytes of name and a
    // NUL. `Layout` is that struct in this version.
    unsafe {
        let header = name.byte_sub(offset_of!(Layout, name)).cast::<Layout>();
        std::slice::from_raw_parts(name.cast::<u8>(), (*header).name_size)
    }
}

/// The headers for a record to be sent, byte for byte.
pub(super) fn write(headers: &[Header]) -> OwnedHeaders {
    let owned = OwnedHeaders::new_with_capacity(headers.len());
    let list = ptr::from_ref(owned.as_borrowed())
        .cast_mut()
        .cast::<rd_kafka_headers_t>();
    for Header { name, value } in headers {
        let (bytes, size) = value.as_ref().map_or((ptr::null(), 0), |value| {
            (value.as_ptr().cast::<c_void>(), value.len().cast_signed())
        });
        // SAFETY: `list` is the address of the list that `owned` keeps (`as_borrowed` only gives it another type, of no size,
        // so no Rust reference covers what is written). Nothing else knows it yet. Name and value are copied, and their
        // sizes are those of slices. The call cannot fail.
        unsafe {
            rd_kafka_header_add(
                list,
                name.as_ptr().cast::<c_char>(),
                name.len().cast_signed(),
                bytes,
                size,
            );
        }
    }
    owned
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::Message;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::*;

    #[test]
    fn the_layout_was_read_for_the_client_that_is_built_in() {
        // A newer client: compare `rd_kafka_header_t` and `rd_kafka_header_add` with `Layout`, then change `LAYOUT_OF`.
        assert_eq!(unsafe { rd_kafka_version() }, LAYOUT_OF);
    }

    fn any_header() -> impl Strategy<Value = Header> {
        let name = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "[a-c]{0,2}".prop_map(String::into_bytes),
            Just(b"homeostat-origin".to_vec()),
            Just(b"a\0b".to_vec()),
        ];
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        (name, value).prop_map(|(name, value)| Header { name, value })
    }

    type Sent = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

    /// Sends records through a broker that keeps bytes, and reads them back.
    struct Way {
        producer: BaseProducer,
        consumer: BaseConsumer,
    }

    impl Way {
        fn new(cluster: &MockCluster<'_, impl rdkafka::producer::ProducerContext>) -> Self {
            cluster.create_topic("t", 1, 1).unwrap();
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", cluster.bootstrap_servers());
            let producer = config.clone().set("linger.ms", "0").create().unwrap();
            let consumer: BaseConsumer = config
                .set("group.id", "g")
                .set("fetch.wait.max.ms", "5")
                .create()
                .unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset("t", 0, Offset::Beginning)
                .unwrap();
            consumer.assign(&list).unwrap();
            Self { producer, consumer }
        }

        fn pass(&self, (key, value, headers): &Sent) -> Sent {
            let mut record = BaseRecord::<[u8], [u8]>::to("t")
                .partition(0)
                .headers(write(headers));
            record.key = key.as_deref();
            record.payload = value.as_deref();
            self.producer
                .send(record)
                .map_err(|(error, _)| error)
                .unwrap();
            self.producer.flush(Duration::from_secs(30)).unwrap();
            let end = Instant::now() + Duration::from_secs(30);
            loop {
                assert!(Instant::now() < end, "the record did not come");
                if let Some(message) = self.consumer.poll(Duration::from_millis(50)) {
                    let message = message.unwrap();
                    let mut headers = Vec::new();
                    read(&message, &mut headers);
                    let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                    return (bytes(message.key()), bytes(message.payload()), headers);
                }
            }
        }
    }

    fn cluster() -> MockCluster<'static, rdkafka::producer::DefaultProducerContext> {
        MockCluster::new(1).unwrap()
    }

    #[test]
    fn whatever_bytes_a_record_has_they_come_through_the_client_as_they_are() {
        let cluster = cluster();
        let way = Way::new(&cluster);
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        let records = (
            bytes(),
            bytes(),
            proptest::collection::vec(any_header(), 0..6),
        );
        let mut runner = TestRunner::new(Config {
            cases: 100,
            failure_persistence: None,
            ..Config::default()
        });
        runner
            .run(&records, |sent| {
                prop_assert_eq!(way.pass(&sent), sent);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn names_that_are_no_text_empty_ones_nulls_and_hundreds_of_headers_come_through() {
        let cluster = cluster();
        let way = Way::new(&cluster);
        let header = |name: &[u8], value: Option<&[u8]>| Header {
            name: name.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        let many: Vec<_> = (0..200_u8)
            .map(|one| header(&[one], Some(&[one])))
            .collect();
        let cases = [
            vec![header(b"\xff\xfe", Some(b"x"))],
            vec![header(b"", Some(b"")), header(b"", None)],
            vec![
                header(b"a\0b", None),
                header(b"a\0b", Some(b"1")),
                header(b"\0", None),
            ],
            vec![
                header(b"a", Some(b"1")),
                header(b"a", Some(b"2")),
                header(b"a", None),
            ],
            vec![header(&[0xc3; 100_000], Some(&[7; 300_000]))],
            many,
        ];
        for headers in cases {
            let sent = (None, Some(b"{}".to_vec()), headers);
            assert_eq!(way.pass(&sent), sent);
        }
    }

    #[test]
    fn more_headers_than_the_client_reads_are_not_taken_for_none() {
        let cluster = cluster();
        let way = Way::new(&cluster);
        let one = Header {
            name: b"a".to_vec(),
            value: None,
        };
        let sent = (None, None, vec![one; 100_001]);
        let (_, _, headers) = way.pass(&sent);
        let names: Vec<_> = headers.iter().map(|header| &header.name[..]).collect();
        assert_eq!(names, [UNREADABLE]);
    }
}

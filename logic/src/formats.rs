//! The names of formats that are not JSON, so that a producer reads what it sent instead of the place where a JSON reader gave
//! up.

/// First bytes of formats that are certain.
const MAGIC: [(&[u8], &str); 17] = [
    (b"\xFF\xFE\0\0", "text in UTF-32"),
    (b"\0\0\xFE\xFF", "text in UTF-32"),
    (b"\xFF\xFE", "text in UTF-16"),
    (b"\xFE\xFF", "text in UTF-16"),
    (b"\x1F\x8B", "data compressed with gzip"),
    (b"\x28\xB5\x2F\xFD", "data compressed with zstd"),
    (b"\x04\x22\x4D\x18", "data compressed with lz4"),
    (b"\xFF\x06\0\0sNaPpY", "data compressed with snappy"),
    (b"\x82SNAPPY\0", "data compressed with snappy"),
    (b"BZh", "data compressed with bzip2"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Obj\x01", "an Avro object container file"),
    (b"\xC3\x01", "Avro in its single-object encoding"),
    (b"PAR1", "a Parquet file"),
    (b"\xAC\xED\0\x05", "a serialized Java object"),
    (b"\xD9\xD9\xF7", "CBOR"),
    (b"\x80\x04\x95", "a Python pickle"),
];

/// The name of bytes that cannot begin a text.
pub(crate) fn foreign(bytes: &[u8]) -> Option<String> {
    if let Some(name) = magic(bytes) {
        return Some(name.to_owned());
    }
    let registry = matches!(bytes, [3, 0 | 5, ..]) && bytes.len() >= 18;
    if registry {
        return Some("data with the header of the AWS Glue Schema Registry".to_owned());
    }
    let first = *bytes.first()?;
    let no_text = first >= 0x80 && std::str::from_utf8(bytes).is_err() || is_control(first);
    no_text.then(|| {
        let shown = first_bytes(bytes);
        format!("binary data, such as Avro, Protobuf, MessagePack or CBOR ({shown})")
    })
}

pub(crate) fn magic(bytes: &[u8]) -> Option<&'static str> {
    MAGIC
        .iter()
        .find_map(|(magic, name)| bytes.starts_with(magic).then_some(*name))
}

const fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

pub(crate) fn first_bytes(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("first bytes {}", shown.join(" "))
}

/// What a JSON reader stumbled over at a byte, where that has a name. `None`: the reader's own words say it.
pub(crate) fn stumbled(text: &str, offset: usize) -> Option<String> {
    if text.bytes().take(offset + 1).any(|byte| byte == 0) {
        return Some("there is a zero byte: this is text in UTF-16, or binary data".to_owned());
    }
    let control = text
        .as_bytes()
        .get(offset)
        .is_some_and(|byte| is_control(*byte));
    if control && text.bytes().take(offset).all(|byte| byte != b'"') {
        return Some("binary data, such as Protobuf or Avro".to_owned());
    }
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'_');
    let bytes = text.as_bytes();
    let before = bytes.get(..offset.min(bytes.len()))?;
    let start = before.iter().rposition(|byte| !of_word(*byte));
    let start = start.map_or(0, |place| place + 1);
    let rest = text.get(start..)?;
    let end = rest.bytes().position(|byte| !of_word(byte));
    let word = rest.get(..end.unwrap_or(rest.len()).min(24))?;
    if word.is_empty() {
        return match rest.as_bytes() {
            [b'\'', ..] => Some("JSON writes names and text in double quotes".to_owned()),
            [b'/', b'/' | b'*', ..] => Some("JSON has no comments".to_owned()),
            _ => None,
        };
    }
    match word
        .trim_start_matches(['-', '+'])
        .to_ascii_lowercase()
        .as_str()
    {
        "nan" | "inf" | "infinity" => Some(format!(
            "{word} is not a JSON number; send null or leave the field out"
        )),
        "none" | "undefined" | "true" | "false" => Some(format!(
            "{word} is not JSON; it has null, true and false in lower case"
        )),
        _ => None,
    }
}

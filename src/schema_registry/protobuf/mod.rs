//! Protobuf to JSON, by the names of the `.proto` file; 64-bit numbers stay numbers, well-known types are read as the mapping of
//! Protobuf to JSON says.

mod bounded;
mod nesting;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use bounded::Bounded;

/// Name of the file that describes the record itself.
const MAIN: &str = "record.proto";
/// Deepest message inside messages that a record may name.
const INDEXES_MAX: usize = 32;
/// Deepest nesting of a `.proto` file: the compiler goes down by recursion, without a bound of its own.
const NESTING_MAX: usize = 64;

/// Reads records of one schema.
#[derive(Debug)]
pub(super) struct Protobuf {
    pool: DescriptorPool,
}

/// Files by their names.
struct Files(BTreeMap<String, String>);

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = self.0.get(name);
        let text = text.ok_or_else(|| protox::Error::file_not_found(name))?;
        if let Some(file) = described(name, text) {
            return Ok(file);
        }
        if nesting::deepest(text) > NESTING_MAX {
            let problem = format!("{name} is nested deeper than {NESTING_MAX} levels");
            return Err(protox::Error::new(problem));
        }
        File::from_source(name, text)
    }
}

/// Clients register a file's descriptor in base64; some registries give it back so, and not as text.
fn described(name: &str, text: &str) -> Option<File> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let mut file = FileDescriptorProto::decode(bytes.as_slice()).ok()?;
    file.name = Some(name.to_owned());
    Some(File::from_file_descriptor_proto(file))
}

impl Protobuf {
    pub(super) fn new(text: &str, references: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut files = references.clone();
        files.insert(MAIN.to_owned(), text.to_owned());
        let mut resolver = ChainFileResolver::new();
        resolver.add(Files(files));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.include_imports(true);
        compiler
            .open_file(MAIN)
            .map_err(|error| format!("its Protobuf schema cannot be read: {error}"))?;
        Ok(Self {
            pool: compiler.descriptor_pool(),
        })
    }

    /// The JSON of a record. The path of the message in the file is `beside` the record, or before the message.
    pub(super) fn json(&self, beside: Option<&[u8]>, data: &[u8]) -> Result<String, String> {
        self.read(beside, data)
            .map_err(|misfit| format!("the record does not fit it: {misfit}"))
    }

    fn read(&self, beside: Option<&[u8]>, data: &[u8]) -> Result<String, String> {
        let found = path(beside.unwrap_or(data)).ok_or("no message index is there")?;
        let (path, data) = match beside {
            Some(_) => (found.0, data),
            None => found,
        };
        let message = self
            .message(&path)
            .ok_or_else(|| format!("its schema has no message at the index {path:?}"))?;
        let message = DynamicMessage::decode(message, data).map_err(|error| error.to_string())?;
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false);
        let mut text = Bounded::default();
        let mut json = serde_json::Serializer::new(&mut text);
        message
            .serialize_with_options(&mut json, &options)
            .map_err(|error| error.to_string())?;
        String::from_utf8(text.written).map_err(|error| error.to_string())
    }

    fn message(&self, path: &[usize]) -> Option<MessageDescriptor> {
        let (first, inner) = path.split_first()?;
        let file = self.pool.get_file_by_name(MAIN)?;
        let message = file.messages().nth(*first)?;
        let mut inner = inner.iter();
        inner.try_fold(message, |message, place| {
            message.child_messages().nth(*place)
        })
    }
}

/// The indexes of the message, and what is behind them. One zero is the first message.
fn path(data: &[u8]) -> Option<(Vec<usize>, &[u8])> {
    let (count, mut rest) = zigzag(data)?;
    if count == 0 {
        return Some((vec![0], rest));
    }
    if count > INDEXES_MAX {
        return None;
    }
    let mut indexes = Vec::new();
    for _ in 0..count {
        let (index, behind) = zigzag(rest)?;
        indexes.push(index);
        rest = behind;
    }
    Some((indexes, rest))
}

/// A number that is not negative, in Protobuf's `sint64`.
fn zigzag(data: &[u8]) -> Option<(usize, &[u8])> {
    let (mut number, mut rest) = (0_u64, data);
    for shift in (0..63).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            let is_negative = number & 1 == 1;
            return usize::try_from(number >> 1)
                .ok()
                .filter(|_| !is_negative)
                .map(|number| (number, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests;

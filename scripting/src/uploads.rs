//! Bodies with files: the `files` option as multipart/form-data (RFC 7578).

use mlua::{Table, Value};

use crate::location::{kind, quoted};
use crate::option_values::{bytes, scalar};
use crate::{BodyPart, Host, text};

/// The keys of a file.
const KEYS: [&str; 4] = ["content", "name", "path", "type"];
/// The type of a file that has none of its own.
const TYPE_DEFAULT: &str = "application/octet-stream";

type Result<T> = std::result::Result<T, String>;

/// One file of a form.
pub(crate) struct FilePart {
    field: Vec<u8>,
    name: String,
    content_type: String,
    content: BodyPart,
}

/// Reads `files`: field names with one file each, or a list of them.
pub(crate) fn files(value: &Value) -> Result<Vec<FilePart>> {
    let Value::Table(table) = value else {
        return Err(format!("files must be a table, not {}", kind(value)));
    };
    let mut files = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (field, value) = pair.map_err(|error| error.to_string())?;
        let field = scalar("a field in files", &field)?;
        let prefix = format!("files: {}", quoted(&field, 40));
        let Value::Table(file) = &value else {
            let found = kind(&value);
            return Err(format!(
                "{prefix} must be a table like {{ path = \"a.png\" }}, not {found}"
            ));
        };
        if file.raw_len() == 0 {
            files.push(one(&prefix, &field, file)?);
            continue;
        }
        for file in file.sequence_values::<Table>() {
            let file = file.map_err(|_| format!("{prefix}: a list must hold tables"))?;
            files.push(one(&prefix, &field, &file)?);
        }
    }
    files.sort_by(|a, b| a.field.cmp(&b.field)); // stable: a field's list keeps its order
    Ok(files)
}

fn one(prefix: &str, field: &[u8], file: &Table) -> Result<FilePart> {
    let (mut path, mut content, mut name, mut content_type) = (None, None, None, None);
    for pair in file.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let key = scalar(format_args!("{prefix}: a key"), &key)?;
        let what = format!("{prefix}: {}", String::from_utf8_lossy(&key));
        match &key[..] {
            b"path" => path = Some(text::utf8(&what, bytes(&what, &value)?)?),
            b"content" => content = Some(bytes(&what, &value)?),
            b"name" => name = Some(text::utf8(&what, bytes(&what, &value)?)?),
            b"type" => {
                let given = text::utf8(&what, bytes(&what, &value)?)?;
                text::header_value(&what, given.as_bytes())?;
                content_type = Some(given);
            }
            unknown => {
                let unknown = String::from_utf8_lossy(unknown);
                return Err(format!(
                    "{prefix}: {}",
                    text::unknown("key", &unknown, &KEYS)
                ));
            }
        }
    }
    let base = path.as_deref().and_then(|path| path.rsplit('/').next());
    let name = name.or_else(|| base.map(str::to_owned));
    let content = match (path, content) {
        (Some(path), None) => BodyPart::File(path),
        (None, Some(content)) => BodyPart::Bytes(content),
        _ => return Err(format!("{prefix} needs either path or content")),
    };
    Ok(FilePart {
        field: field.to_vec(),
        name: name.unwrap_or_else(|| "file".to_owned()),
        content_type: content_type.unwrap_or_else(|| TYPE_DEFAULT.to_owned()),
        content,
    })
}

/// The parts of a multipart form, and its content type.
pub(crate) fn multipart(
    fields: &[(Vec<u8>, Vec<u8>)],
    files: Vec<FilePart>,
) -> (Vec<BodyPart>, String) {
    let boundary = boundary(fields, &files);
    let mut parts = Vec::new();
    let mut open = Vec::new();
    for (name, value) in fields {
        open.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        open.extend_from_slice(b"Content-Disposition: form-data; name=");
        open.extend(parameter(name));
        open.extend_from_slice(b"\r\n\r\n");
        open.extend_from_slice(value);
        open.extend_from_slice(b"\r\n");
    }
    for file in files {
        open.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        open.extend_from_slice(b"Content-Disposition: form-data; name=");
        open.extend(parameter(&file.field));
        open.extend_from_slice(b"; filename=");
        open.extend(parameter(file.name.as_bytes()));
        open.extend_from_slice(
            format!("\r\nContent-Type: {}\r\n\r\n", file.content_type).as_bytes(),
        );
        match file.content {
            BodyPart::Bytes(content) => open.extend_from_slice(&content),
            BodyPart::File(path) => {
                parts.push(BodyPart::Bytes(std::mem::take(&mut open)));
                parts.push(BodyPart::File(path));
            }
        }
        open.extend_from_slice(b"\r\n");
    }
    open.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    parts.push(BodyPart::Bytes(open));
    (parts, format!("multipart/form-data; boundary={boundary}"))
}

/// A quoted name, escaped as browsers do (HTML standard, multipart/form-data encoding).
fn parameter(name: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in name {
        match byte {
            b'"' => quoted.extend_from_slice(b"%22"),
            b'\r' => quoted.extend_from_slice(b"%0D"),
            b'\n' => quoted.extend_from_slice(b"%0A"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'"');
    quoted
}

/// A boundary that occurs in none of the values and contents; files on disk are not searched.
fn boundary(fields: &[(Vec<u8>, Vec<u8>)], files: &[FilePart]) -> String {
    let holds = |wanted: &str| {
        let in_bytes = |bytes: &[u8]| memchr::memmem::find(bytes, wanted.as_bytes()).is_some();
        let in_file = |file: &FilePart| matches!(&file.content, BodyPart::Bytes(b) if in_bytes(b));
        fields.iter().any(|(_, value)| in_bytes(value)) || files.iter().any(in_file)
    };
    let candidates = (0_u64..).map(|n| format!("mistress-form-7d93a1c04be65f28-{n}"));
    let mut fitting = candidates.filter(|candidate| !holds(candidate));
    fitting
        .next()
        .expect("finite contents leave endless numbers free")
}

/// Checks whether the files can be sent.
pub(crate) fn look_for_files(parts: &[BodyPart], host: &dyn Host) -> Result<()> {
    for part in parts {
        if let BodyPart::File(path) = part {
            host.upload_file(path)?;
        }
    }
    Ok(())
}

//! `wire.proto` and the types beside it say the same.

/// A field of a message: the message, the label and type, the name, the tag.
type Field = (String, String, String, u32);

/// The fields of `wire.proto`, and the values of its enum.
fn fields_of_proto() -> Vec<Field> {
    let mut fields = Vec::new();
    let mut message = String::new();
    for line in include_str!("wire.proto").lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            ["//", ..] | [] => {}
            ["message" | "enum", name, "{"] => message = (*name).to_owned(),
            [kind @ .., name, "=", tag] if !message.is_empty() => {
                let tag = tag
                    .trim_end_matches(';')
                    .parse()
                    .expect("a tag is a number");
                fields.push((message.clone(), kind.join(" "), (*name).to_owned(), tag));
            }
            _ => {}
        }
    }
    fields
}

/// The fields of the types beside it, as prost's attributes tell them.
fn fields_of_types() -> Vec<Field> {
    let mut fields = Vec::new();
    let (mut message, mut attribute) = (String::new(), "");
    for line in include_str!("lib.rs").lines().map(str::trim) {
        let declared = line
            .strip_prefix("pub struct ")
            .or(line.strip_prefix("pub enum "));
        if let Some(name) = declared {
            message = name.trim_end_matches(" {").to_owned();
        } else if let Some(found) = line.strip_prefix("#[prost(") {
            attribute = found;
        } else if let Some((name, value)) = line.split_once(" = ").filter(|_| message == "Kind") {
            let tag = value
                .trim_end_matches(',')
                .parse()
                .expect("a value is a number");
            let name = format!("KIND_{}", name.to_uppercase());
            fields.push((message.clone(), String::new(), name, tag));
        } else if let Some((name, kind)) =
            line.strip_prefix("pub ").and_then(|l| l.split_once(": "))
        {
            if attribute.is_empty() {
                continue;
            }
            let (_, tag) = attribute
                .split_once("tag = \"")
                .expect("every field has a tag");
            let tag = tag
                .trim_end_matches("\")]")
                .parse()
                .expect("a tag is a number");
            fields.push((
                message.clone(),
                declared_kind(attribute, kind),
                name.to_owned(),
                tag,
            ));
            attribute = "";
        }
    }
    fields
}

/// Label and type of a field in the words of protobuf.
fn declared_kind(attribute: &str, rust: &str) -> String {
    let has = |word: &str| attribute.split(", ").any(|part| part == word);
    let kind = attribute
        .split([',', ' '])
        .next()
        .expect("an attribute has words");
    let is_message = kind == "message";
    let name = match kind {
        "message" => rust
            .trim_end_matches([',', '>'])
            .rsplit('<')
            .next()
            .expect("a type"),
        "enumeration" => "Kind",
        kind => kind,
    };
    match (has("repeated"), has("optional") && !is_message) {
        (true, _) => format!("repeated {name}"),
        (_, true) => format!("optional {name}"),
        _ => name.to_owned(),
    }
}

#[test]
fn wire_proto_has_the_fields_of_the_types() {
    let fields = fields_of_proto();
    assert!(fields.len() > 100, "{fields:?}");
    assert_eq!(fields, fields_of_types());
}

//! The raw head of a reply, converted to Lua tables.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use mlua::{Lua, Table};

use crate::text;

/// The fields of a head in order: name as sent, value trimmed, folded lines joined. Lines that are
/// not header fields are skipped.
pub(crate) fn fields(head: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut fields: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let mut may_fold = false;
    let mut lines = head
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    lines.next(); // the status line
    for line in lines {
        if line.is_empty() {
            break;
        }
        let folded = line[0] == b' ' || line[0] == b'\t';
        if folded {
            if let Some((_, value)) = fields.last_mut().filter(|_| may_fold) {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(0));
        let name = name.trim_ascii_end();
        may_fold = !name.is_empty() && name.iter().copied().all(text::is_token);
        if may_fold {
            fields.push((name, value[1..].trim_ascii().to_vec()));
        }
    }
    fields
}

/// Name in lower case -> values joined with ", ".
pub(crate) fn table(lua: &Lua, head: &[u8]) -> mlua::Result<Table> {
    let mut joined: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    for (name, value) in fields(head) {
        match joined.entry(name.to_ascii_lowercase()) {
            Entry::Occupied(mut values) => {
                values.get_mut().extend_from_slice(b", ");
                values.get_mut().extend_from_slice(&value);
            }
            Entry::Vacant(vacant) => {
                vacant.insert(value);
            }
        }
    }
    let table = lua.create_table()?;
    for (name, value) in joined {
        table.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
    }
    Ok(table)
}

/// All values of one name, ignoring case.
pub(crate) fn all(lua: &Lua, head: &[u8], wanted: &[u8]) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for (name, value) in fields(head) {
        if name.eq_ignore_ascii_case(wanted) {
            list.raw_push(lua.create_string(value)?)?;
        }
    }
    Ok(list)
}

/// The cookies a reply sets, name -> value; the last one wins.
pub(crate) fn cookies(lua: &Lua, head: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let set = fields(head);
    let set = set
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    for (_, value) in set {
        let pair = value.split(|&byte| byte == b';').next().unwrap_or_default();
        if let Some(equals) = pair.iter().position(|&byte| byte == b'=') {
            let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
            table.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
        }
    }
    Ok(table)
}

//! Documents as Lua tables.

use mlua::{Lua, Table};
use roxmltree::Node;

use super::Document;

/// The root element: `name`, `namespace`, `attributes` by their names as written, `text` (its own,
/// without surrounding white space), and its elements 1..n.
pub(crate) fn table(lua: &Lua, document: &Document) -> mlua::Result<Table> {
    element(lua, document.tree(), document.tree().root_element())
}

/// Recursion is as deep as the document, whose depth is limited.
fn element(lua: &Lua, tree: &roxmltree::Document<'_>, node: Node<'_, '_>) -> mlua::Result<Table> {
    let made = lua.create_table()?;
    made.raw_set("name", node.tag_name().name())?;
    made.raw_set("namespace", node.tag_name().namespace())?;
    let attributes = lua.create_table()?;
    for attribute in node.attributes() {
        let name = &tree.input_text()[attribute.range_qname()];
        attributes.raw_set(name, attribute.value())?;
    }
    made.raw_set("attributes", attributes)?;
    let texts = node.children().filter(Node::is_text);
    let text: String = texts.filter_map(|text| text.text()).collect();
    made.raw_set("text", text.trim())?;
    for child in node.children().filter(Node::is_element) {
        made.raw_push(element(lua, tree, child)?)?;
    }
    Ok(made)
}

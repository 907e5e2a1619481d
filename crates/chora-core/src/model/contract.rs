//! The recorded tools, resources and prompts of an MCP server, and what may not change in them.

mod compare;
mod schema;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::compare::{ChangeKind, ContractChange, Subject, compare};

/// What an MCP server offers, sorted by name so that two recordings compare.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Contract {
    /// Format version of this document.
    pub schema_version: u32,
    /// Server name as it states it.
    pub server: String,
    /// Server version as it states it; never compared.
    pub server_version: String,
    /// Protocol revision spoken, such as `2025-11-25`; never compared.
    pub protocol_version: String,
    /// Tools by name.
    pub tools: Vec<Tool>,
    /// Resource URIs and URI templates.
    pub resources: Vec<String>,
    /// Prompt names.
    pub prompts: Vec<String>,
}

/// One tool.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Description; never breaking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
    /// JSON Schema of its structured result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
}

impl Contract {
    /// Puts everything in order of name, schema keys included, so that recordings of equal servers are equal texts.
    pub fn sort(&mut self) {
        self.tools.sort_by(|one, other| one.name.cmp(&other.name));
        for tool in &mut self.tools {
            sort_keys(&mut tool.input_schema);
            if let Some(schema) = &mut tool.output_schema {
                sort_keys(schema);
            }
        }
        for names in [&mut self.resources, &mut self.prompts] {
            names.sort();
            names.dedup();
        }
    }
}

fn sort_keys(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort_keys);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

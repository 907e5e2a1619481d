//! Lists everything a server offers, page by page, into a contract.

use chora_core::model::contract::{Contract, Tool};
use serde_json::{Value, json};

use super::hello::Hello;
use super::wire::Wire;
use crate::probe::answer::{Trouble, excerpt};

/// A server that needs more pages than this is not listing, it is looping.
const PAGE_LIMIT: usize = 200;

pub(super) async fn observe(wire: &mut Wire<'_>, hello: &Hello) -> Result<Contract, Trouble> {
    let has = |capability: &str| hello.capabilities.get(capability).is_some();
    let mut contract = Contract {
        schema_version: 1,
        server: hello.server.clone(),
        server_version: hello.server_version.clone(),
        protocol_version: hello.revision.clone(),
        ..Contract::default()
    };
    // Asked for without the capability too: some servers forget to declare it.
    for tool in list(wire, "tools/list", "tools", has("tools")).await? {
        contract.tools.push(read_tool(&tool)?);
    }
    if has("resources") {
        contract.resources = names(&list(wire, "resources/list", "resources", false).await?, "uri");
        contract.resources.extend(names(&list(wire, "resources/templates/list", "resourceTemplates", false).await?, "uriTemplate"));
    }
    if has("prompts") {
        contract.prompts = names(&list(wire, "prompts/list", "prompts", false).await?, "name");
    }
    contract.sort();
    Ok(contract)
}

async fn list(wire: &mut Wire<'_>, method: &str, key: &str, required: bool) -> Result<Vec<Value>, Trouble> {
    let mut items = Vec::new();
    let mut cursor: Option<Value> = None;
    for _ in 0..PAGE_LIMIT {
        let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let page = match wire.request(method, params).await {
            Err(fault) if !required && fault.is_method_not_found() => return Ok(items),
            outcome => outcome.map_err(|fault| fault.into_trouble(method))?,
        };
        let Some(found) = page.get(key).and_then(Value::as_array) else {
            return Err(Trouble::Wrong(format!("{method} answered no `{key}`: {}", excerpt(&page.to_string(), 200))));
        };
        items.extend(found.iter().cloned());
        match page.get("nextCursor").filter(|next| next.is_string()) {
            None => return Ok(items),
            Some(next) if cursor.as_ref() == Some(next) => break,
            Some(next) => cursor = Some(next.clone()),
        }
    }
    Err(Trouble::Wrong(format!("{method} never ends: its pages repeat, or are more than {PAGE_LIMIT}")))
}

fn read_tool(tool: &Value) -> Result<Tool, Trouble> {
    let wrong = |what: &str| Trouble::Wrong(format!("tools/list has a tool {what}: {}", excerpt(&tool.to_string(), 200)));
    let name = tool.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()).ok_or_else(|| wrong("without a name"))?;
    let input = tool.get("inputSchema").filter(|schema| schema.is_object()).ok_or_else(|| wrong("without an input schema"))?;
    Ok(Tool {
        name: name.to_owned(),
        description: tool.get("description").and_then(Value::as_str).map(str::to_owned),
        input_schema: input.clone(),
        output_schema: tool.get("outputSchema").filter(|schema| schema.is_object()).cloned(),
    })
}

fn names(items: &[Value], key: &str) -> Vec<String> {
    items.iter().filter_map(|item| item.get(key)?.as_str().map(str::to_owned)).collect()
}

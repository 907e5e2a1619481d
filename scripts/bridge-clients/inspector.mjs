// The command line of the inspector, started for every request: inspector.mjs FOLDER ERA URL
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { duration, judge, rounds, steps, tool } from "./rounds.mjs";

const [folder, era, url] = process.argv.slice(2);
const program = `${folder}/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js`;

async function ask(...what) {
  const common = ["--cli", "--transport", "http", "--server-url", url, "--protocol-era", era, "--format", "json"];
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...common, ...what]);
  const { result } = JSON.parse(stdout);
  if (!result) throw new Error(`no result in ${stdout}`);
  return result;
}

await rounds(async () => {
  const { tools } = await ask("--method", "tools/list");
  return judge(tools, await ask("--method", "tools/call", "--tool-name", tool, "--tool-arg", `duration=${duration}`, `steps=${steps}`));
});

// A client that can only start a program and speak with it on standard streams: stdio.mjs COMMAND…
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { duration, judge, rounds, steps, tool } from "./rounds.mjs";

const [command, ...args] = process.argv.slice(2);
const program = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
let progress, ending;
let last = 0;

program.on("exit", (code) => {
  if (ending) return;
  console.error(`the program ended with ${code}`);
  process.exit(1);
});
createInterface({ input: program.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.method === "notifications/progress") {
    if (message.params.progressToken !== `token-${last}`) throw new Error(`progress for somebody else: ${line}`);
    progress.push([message.params.progress, message.params.total]);
  } else if (message.method && "id" in message) {
    throw new Error(`asked for what was not offered: ${line}`);
  } else if (!message.method) {
    waiting.get(message.id)(message);
    waiting.delete(message.id);
  }
});

const send = (message) => program.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");

async function ask(method, params) {
  const id = ++last;
  const answer = await new Promise((resolve) => {
    waiting.set(id, resolve);
    send({ id, method, params });
  });
  if (!answer.result) throw new Error(`${method}: ${JSON.stringify(answer)}`);
  return answer.result;
}

await rounds(
  async (number) => {
    if (number === 1) {
      await ask("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "stdio", version: "1" } });
      send({ method: "notifications/initialized" });
    }
    const { tools } = await ask("tools/list", {});
    progress = [];
    const token = `token-${last + 1}`;
    return judge(tools, await ask("tools/call", { name: tool, arguments: { duration, steps }, _meta: { progressToken: token } }), progress);
  },
  async () => {
    ending = true;
    program.stdin.end();
    await new Promise((resolve) => (program.exitCode === null ? program.on("exit", resolve) : resolve()));
  },
);

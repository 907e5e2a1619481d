// The official TypeScript SDK: typescript.mjs FOLDER http|sse URL
import { createRequire } from "node:module";
import { duration, judge, rounds, steps, tool } from "./rounds.mjs";

const [folder, kind, url] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { SSEClientTransport } = require("@modelcontextprotocol/sdk/client/sse.js");

let client, transport, arrived;

async function connect() {
  transport = new (kind === "sse" ? SSEClientTransport : StreamableHTTPClientTransport)(new URL(url));
  client = new Client({ name: "typescript", version: "1" });
  await client.connect(transport);
  const { onmessage } = transport;
  transport.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") arrived.push([message.params.progress, message.params.total]);
    onmessage(message, extra);
  };
}

// A client learns that its session is gone by 404, and by nothing else.
async function checkForgotten() {
  const error = await client.listTools().then(() => "an answer", (error) => error);
  if (error.code !== 404) throw new Error(`wanted 404 for the session of a bridge that is gone, got ${error}`);
}

await rounds(
  async (number) => {
    if (number > 1) {
      if (kind === "http") await checkForgotten();
      await client.close();
    }
    await connect();
    const { tools } = await client.listTools();
    arrived = [];
    const handed = [];
    const onprogress = (step) => handed.push([step.progress, step.total]);
    const result = await client.callTool({ name: tool, arguments: { duration, steps } }, undefined, { onprogress, timeout: 30000 });
    // The SDK forgets progress that comes in one piece with the result (typescript-sdk #2580): what arrived is counted.
    if (!handed.length || handed.some((step, index) => String(step) !== String(arrived[index]))) {
      throw new Error(`progress ${JSON.stringify(arrived)} came, ${JSON.stringify(handed)} was handed over`);
    }
    return judge(tools, result, arrived);
  },
  async () => {
    if (kind === "http") await transport.terminateSession();
    await client.close();
  },
);

// What the clients share: a round for every line on standard input, and what a round must bring.
import { createInterface } from "node:readline";

const { WANTED_TOOLS, STEPS, DURATION } = process.env;

export const tool = "trigger-long-running-operation";
export const steps = Number(STEPS);
export const duration = Number(DURATION);
const text = `Long running operation completed. Duration: ${duration} seconds, Steps: ${steps}.`;

const fail = (what, seen) => {
  throw new Error(`${what}: ${JSON.stringify(seen)}`);
};

// `progress` is left out by a client that cannot show it.
export function judge(tools, result, progress) {
  const names = tools.map((tool) => tool.name);
  const missing = WANTED_TOOLS.split(" ").filter((name) => !names.includes(name));
  if (missing.length) fail(`no tool ${missing}`, names);
  if (result.isError || result.content?.length !== 1 || result.content[0].text !== text) fail(`wanted "${text}"`, result);
  const wanted = Array.from({ length: steps }, (_, step) => [step + 1, steps]);
  if (progress && JSON.stringify(progress) !== JSON.stringify(wanted)) fail(`wanted progress ${JSON.stringify(wanted)}`, progress);
  return `${names.length} tools, "${text}", ${progress ? `${progress.length} progress` : "progress not shown by it"}`;
}

// The bridge is restarted between two rounds; the line "end" ends the client.
export async function rounds(round, end = () => {}) {
  let number = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "end") break;
    console.log(await round(++number));
  }
  await end();
  process.exit(0);
}

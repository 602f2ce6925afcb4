/** The contract suite, for every built-in type and every example. A new type adds its samples here. */
import assert from "node:assert/strict";
import test from "node:test";
import type { AnyServerPlugin } from "../../core/plugin.ts";
import diceSamples from "../../plugins/examples/dice/samples.ts";
import dice from "../../plugins/examples/dice/server.ts";
import githubSamples from "../../plugins/examples/github/samples.ts";
import github from "../../plugins/examples/github/server.ts";
import pollSamples from "../../plugins/examples/poll/samples.ts";
import poll from "../../plugins/examples/poll/server.ts";
import whiteboardSamples from "../../plugins/examples/whiteboard/samples.ts";
import whiteboard from "../../plugins/examples/whiteboard/server.ts";
import builtIn from "../../plugins/server.ts";
import { contractSuite, type Samples } from "../suites/contract.ts";

const listening = { ...github, hooks: () => github.hooks({ secret: "a secret of the test" }) };
const plugins: AnyServerPlugin[] = [...builtIn, ...poll, ...whiteboard, dice, listening];

const presence = { person: "0190-ana", name: "Ana", status: "online", since: 1_800_000_000_000 };
const status = {
  id: "node-1",
  name: "kitchen",
  version: "1.0.0",
  startedAt: 1_800_000_000_000,
  clients: 3,
  messagesPerSecond: 0.2,
  rssBytes: 100_000_000,
  lagMs: 1.5,
  busOpen: true,
  types: { text: 1, poll: 2 },
  faults: [{ plugin: "poll", why: "it does not compile", where: "server.ts:3", slowMs: 80 }],
  peers: [
    { id: "node-2", name: "hall", up: true, rttMs: 0.4, clockMs: 120_000, behind: 0 },
    { id: "node-3", name: "cellar", up: false, rttMs: null, clockMs: null, behind: 12 },
  ],
};

const voice = {
  blob: "0123456789abcdef".repeat(4),
  mime: "audio/webm",
  durationMs: 7_250,
  peaks: Array.from({ length: 64 }, (_, at) => at * 4),
};

const alike = (...values: unknown[]): Samples => ({ inputs: values, bodies: values });

/** As `web-chat check` takes them: a list, where what is kept is what was sent. */
function samplesOf(...files: Record<string, unknown[] | Samples>[]): Record<string, Samples> {
  return Object.fromEntries(
    files.flatMap(Object.entries).map(([type, given]) => [type, Array.isArray(given) ? alike(...given) : given]),
  );
}

const SAMPLES: Record<string, Samples> = {
  text: alike(
    { text: "Hello" },
    { text: "two\nlines, and a tab\t".trim() },
    { text: "🙂".repeat(8_000) },
    { text: "你好" },
  ),
  presence: {
    inputs: [{ status: "online" }, { status: "away" }],
    bodies: [presence, { ...presence, status: "away", since: 0 }],
  },
  status: alike(status, { ...status, peers: [] }),
  typing: alike({ typing: true }, { typing: false }, { typing: true, voice: true }),
  voice: alike(voice, { ...voice, mime: "audio/mp4", durationMs: 900_000, peaks: Array(128).fill(255) }),
  redact: alike({}),
  ...samplesOf(diceSamples, githubSamples, pollSamples, whiteboardSamples),
};

for (const plugin of plugins) {
  const { type } = plugin.message;
  const samples = SAMPLES[type];
  if (samples) contractSuite(plugin, samples);
  else test(`${type} has samples for the contract suite`, () => assert.fail(`add samples of “${type}” to SAMPLES`));
}

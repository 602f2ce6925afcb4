/**
 * What it costs to call a plugin through the registry, which measures and marks each call, against calling its functions
 * themselves: `node tools/bench/calls.ts [messages]`. The registry also reads again what was packed. Interleaved; the median of
 * each, in microseconds a message.
 */
import { encode } from "../../core/envelope.ts";
import { Calls } from "../../core/plugins/calls/calls.ts";
import { newMarks } from "../../core/plugins/watchdog/marks.ts";
import { Registry, type Type } from "../../core/registry.ts";
import plugin from "../../plugins/text/server.ts";
import { spread } from "./results.ts";
import { say } from "./sample.ts";

const MESSAGES = Number(process.argv[2] ?? 100_000);
const ROUNDS = 9;

const { message } = plugin;
const body = { text: "shall we ship it? 可以。" };
const watched = new Calls();
watched.seenBy({ marks: newMarks(), types: () => {} });

const ways: Record<string, () => void> = {
  "the functions themselves": () => {
    const parsed = message.parse(body);
    message.summary(parsed);
    encode(parsed);
  },
  "through the registry": through(new Registry([plugin]).get("text") as Type),
  "and a watchdog sees them": through(new Registry([plugin], watched).get("text") as Type),
};
const took = new Map(Object.keys(ways).map(name => [name, [] as number[]]));
for (let round = 0; round < ROUNDS; round++)
  for (const [name, way] of Object.entries(ways)) {
    const began = performance.now();
    for (let index = 0; index < MESSAGES; index++) way();
    took.get(name)?.push(((performance.now() - began) * 1_000) / MESSAGES);
  }
for (const [name, times] of took) say(name, `${spread(times).median.toFixed(2)} µs a message`);

/** What a node does with a text that comes in. */
function through(type: Type): () => void {
  return () => {
    const parsed = type.parse(body);
    type.summary(parsed);
    type.pack(parsed);
    type.blobs(parsed);
  };
}

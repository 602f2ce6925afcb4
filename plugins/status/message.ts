import * as v from "valibot";
import { defineMessage, parseWith } from "../../core/plugin.ts";

const amount = v.pipe(v.number(), v.minValue(0));
const name = v.pipe(v.string(), v.maxLength(64));
const peer = v.object({
  id: name,
  name,
  up: v.boolean(),
  rttMs: v.nullable(amount),
  // Nodes of the first version do not say it.
  clockMs: v.optional(v.nullable(v.number()), null),
  behind: amount,
});

const fault = v.object({
  plugin: name,
  why: v.pipe(v.string(), v.maxLength(1_024)),
  where: v.exactOptional(v.pipe(v.string(), v.maxLength(256))),
  slowMs: v.exactOptional(amount),
});

const figures = v.object({
  id: v.pipe(name, v.minLength(1)),
  name,
  version: v.pipe(v.string(), v.maxLength(32)),
  startedAt: amount,
  clients: amount,
  messagesPerSecond: amount,
  rssBytes: amount,
  lagMs: amount,
  busOpen: v.boolean(),
  // Nodes of the first version say neither of these.
  types: v.optional(v.record(name, v.pipe(v.number(), v.safeInteger())), {}),
  faults: v.optional(v.pipe(v.array(fault), v.maxLength(256)), []),
  peers: v.pipe(v.array(peer), v.maxLength(256)),
});

/** How a node is, and how it sees the others. `behind` counts the envelopes that a peer still lacks. */
export default defineMessage<v.InferOutput<typeof figures>>({
  type: "status",
  version: 1,
  kind: "state",
  parse: parseWith(figures),
  summary: ({ name, clients, messagesPerSecond }) =>
    `${name}: ${clients} clients, ${messagesPerSecond.toFixed(1)} messages a second`,
  key: ({ id }) => id,
});

import * as v from "valibot";
import { defineMessage, parseWith } from "../../core/plugin.ts";

export const body = v.object({
  person: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  name: v.pipe(v.string(), v.maxLength(128)),
  status: v.picklist(["online", "away"]),
  /** Milliseconds since 1970 of the change to this status. */
  since: v.number(),
});
export type Presence = v.InferOutput<typeof body>;

/** Whoever has no value here is offline. The nodes that hold a person's value are the nodes the person is on. */
export default defineMessage({
  type: "presence",
  version: 1,
  kind: "state",
  parse: parseWith(v.object({ status: v.picklist(["online", "away"]) })),
  check: parseWith(body),
  summary: ({ name, status }: Presence) => `${name} is ${status}`,
  key: ({ person }) => person,
  merge: bodies => bodies.findLast(({ status }) => status === "online") ?? (bodies.at(-1) as Presence),
});

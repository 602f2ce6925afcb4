/** A message type for benches and simulations: refers to files, and says nothing else. */
import { defineMessage, defineServer } from "../core/plugin.ts";

export const file = defineServer(
  defineMessage({
    type: "file",
    version: 1,
    kind: "log",
    role: "row",
    parse: input => input as { hashes: string[] },
    summary: () => "a file",
    blobs: ({ hashes }) => hashes,
  }),
  { receive: body => body },
);

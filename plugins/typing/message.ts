import * as v from "valibot";
import { defineMessage, parseWith } from "../../core/plugin.ts";

export default defineMessage({
  type: "typing",
  version: 1,
  kind: "signal",
  parse: parseWith(v.object({ typing: v.boolean() })),
  summary: ({ typing }) => (typing ? "is typing" : "stopped typing"),
});

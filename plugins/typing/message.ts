import * as v from "valibot";
import { defineMessage, parseWith } from "../../core/plugin.ts";

const body = v.object({ typing: v.boolean(), voice: v.exactOptional(v.boolean()) });

export default defineMessage<v.InferOutput<typeof body>>({
  type: "typing",
  version: 1,
  kind: "signal",
  parse: parseWith(body),
  summary: ({ typing, voice }) => (typing ? `is ${voice ? "recording" : "typing"}` : "stopped typing"),
});

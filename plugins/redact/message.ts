import * as v from "valibot";
import { defineMessage, parseWith } from "../../core/plugin.ts";

/** Empties the message that its `ref` names. The core does the emptying: that is what the role means. */
export default defineMessage<Record<string, never>>({
  type: "redact",
  version: 1,
  kind: "log",
  role: "erase",
  parse: parseWith(v.object({})),
  summary: () => "Message removed",
});

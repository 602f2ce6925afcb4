import { defineServer } from "../../core/plugin.ts";
import status from "./message.ts";

export default defineServer(status, {
  tick: ({ node }) => [{ body: node(), to: "all" }],
});

/** The server halves of the built-in message types. */
import type { AnyServerPlugin } from "../core/plugin.ts";
import presence from "./presence/server.ts";
import redact from "./redact/server.ts";
import status from "./status/server.ts";
import text from "./text/server.ts";
import typing from "./typing/server.ts";
import voice from "./voice/server.ts";

export default [text, voice, presence, status, typing, redact] as AnyServerPlugin[];

/** The browser halves of the built-in message types, in the order in which their panels and badges stand. */
import type { AnyClientPlugin } from "../core/plugin.ts";
import presence from "./presence/client.tsx";
import redact from "./redact/client.tsx";
import status from "./status/client.tsx";
import text from "./text/client.tsx";
import typing from "./typing/client.tsx";
import voice from "./voice/client.tsx";

export default [text, voice, presence, status, typing, redact] as AnyClientPlugin[];

/** Starts the page. */
import { render } from "preact";
import { App } from "./app.tsx";
import { start } from "./chat.ts";
import { speak } from "./i18n.ts";
import { listenForKeys } from "./keys.ts";
import { fitViewport } from "./viewport.ts";

listenForKeys();
fitViewport();
start();
await speak();
render(<App />, document.body);

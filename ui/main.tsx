/** Starts the page. */
import { render } from "preact";
import { App } from "./app.tsx";
import { start } from "./chat.ts";
import { speak } from "./i18n.ts";
import { listenForKeys } from "./keys.ts";
import { fitViewport } from "./viewport.ts";

listenForKeys();
fitViewport();
const spoken = speak();
if (document.querySelector("meta[name=dev]"))
  await import("./dev.tsx").then(({ followDevelopment }) => followDevelopment()).catch(console.error);
const dropped = document.querySelector<HTMLMetaElement>("meta[name=plugins]")?.content.match(/\S+/g);
if (dropped) await import("./dropped.ts").then(({ dropIn }) => dropIn(dropped, spoken)).catch(console.error);
start();
await spoken;
render(<App />, document.body);

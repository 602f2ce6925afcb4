/** `web-chat dev` in the browser: the page follows what is saved, and shows what keeps the plugin from running. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join as pathOf } from "node:path";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { inspect } from "../helpers/axe.ts";
import type { PageOptions } from "../helpers/browser.ts";
import { composer, join, row, say } from "../helpers/chat.ts";
import { spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { MESSAGE, writePlugin } from "../helpers/plugins.ts";

const client = (word: string, more = "") => `import { defineClient } from "web-chat/plugin";
import note from "./message.ts";
${more}
export default defineClient(note, {
  Row: ({ message }) => <b class="note">{"${word} " + message.body.text}</b>,
  command: { takes: "takes", label: "label", run: (text, room, shell) => shell.send({ text }) },
  strings: { en: { takes: "a text", label: "a note" } },
});
`;
const server = (word: string, more = "") => `import { defineServer } from "web-chat/plugin";
import note from "./message.ts";
${more}
export default defineServer(note, { receive: ({ text }) => ({ text: text + " ${word}" }) });
`;
const FILES = { "message.ts": MESSAGE, "server.ts": server("kept"), "client.tsx": client("Drawn") };
/** Far beyond what a save takes, even where the machine has other things to do. */
const SANE_MS = 15_000;

async function developing(t: TestContext, options: PageOptions = {}) {
  const folder = writePlugin(temporaryDirectory(t), "note", FILES);
  const node = await spawnNode(t, {}, [], ["dev", folder]);
  await node.ready();
  const page = await join(t, node.url, "Ana", options);
  const save = (name: string, text: string) => writeFileSync(pathOf(folder, name), text);
  return { node, page, save };
}

/** Saves, and resolves with how long it took until the page began to load anew, in ms. */
async function reloaded(page: Page, save: () => void): Promise<number> {
  const began = performance.now();
  const leaving = page.waitForEvent("request", {
    predicate: request => request.isNavigationRequest(),
    timeout: SANE_MS,
  });
  save();
  await leaving;
  const tookMs = performance.now() - began;
  await page.getByRole("log").waitFor();
  return tookMs;
}

const problems = (page: Page) => page.locator(".dev-problems[role=alert]");

test("a client half that is saved is drawn at once, and what stands in the composer stays", async t => {
  const { page, save } = await developing(t);
  await say(page, "/note one");
  await row(page, "Drawn one kept").waitFor();
  await composer(page).fill("not sent yet");
  const took: number[] = [];
  for (const word of ["Written", "Painted", "Carved"]) {
    took.push(await reloaded(page, () => save("client.tsx", client(word))));
    await row(page, `${word} one kept`).waitFor();
    assert.equal(await composer(page).inputValue(), "not sent yet");
  }
  t.diagnostic(`from the save until the page loads anew: ${took.map(Math.round).join(", ")} ms`);
  assert.equal(await problems(page).count(), 0);
});

test("a server half that is saved is at work when the page is back", async t => {
  const { page, save } = await developing(t);
  await say(page, "/note one");
  await row(page, "Drawn one kept").waitFor();
  const tookMs = await reloaded(page, () => save("server.ts", server("stored")));
  t.diagnostic(`${Math.round(tookMs)} ms from the save until the page loads anew`);
  await say(page, "/note two");
  await row(page, "Drawn two stored").waitFor();
  await row(page, "Drawn one kept").waitFor();
});

test("what cannot be loaded lies above the page with file and line, and goes when it is mended", async t => {
  const { page, save } = await developing(t);
  save("server.ts", `${server("broken")}\nexport const = 5;\n`);
  const alert = problems(page);
  await alert.getByText("“note” cannot be loaded").waitFor();
  await alert.getByText("server.ts:6").waitFor();
  await alert.getByText(/does not compile/).waitFor();
  await inspect(page, "with an error above it");
  await say(page, "/note one");
  await row(page, "Drawn one kept").waitFor();
  // Another error in its place, in another file.
  save("server.ts", server("kept"));
  save("client.tsx", client("Broken", "const nothing = ;"));
  await alert.getByText("client.tsx:3").waitFor();
  await reloaded(page, () => save("client.tsx", client("Mended")));
  await row(page, "Mended one kept").waitFor();
  assert.equal(await alert.count(), 0);
});

test("an error can be put away, and stays away until there is another", async t => {
  const { page, save } = await developing(t, { language: "zh-CN", colorScheme: "dark" });
  save("server.ts", "const\n");
  const alert = problems(page);
  await alert.getByText("“note”无法加载").waitFor();
  await alert.getByText("server.ts:2").waitFor();
  await inspect(page, "with an error above it");
  await alert.getByRole("button").click();
  await alert.waitFor({ state: "detached" });
  save("server.ts", "\nconst\n");
  await alert.getByText("server.ts:3").waitFor();
});

test("a hook that fails is shown with file and line", async t => {
  const { page, save } = await developing(t);
  await reloaded(page, () =>
    save("server.ts", server("kept").replace("({ text }) => (", "({ text }) => text === 'fail' ? nothing() : (")),
  );
  await say(page, "/note fail");
  const alert = problems(page);
  await alert.getByText("“note” failed").waitFor();
  await alert.getByText("server.ts:4").waitFor();
  await reloaded(page, () => save("server.ts", server("kept")));
  assert.equal(await alert.count(), 0);
});

// biome-ignore format: a table
const FAILING: readonly [what: string, text: string, where: string][] = [
  ["when it is loaded", client("Drawn", "undefined.nothing;"), "client.tsx:3"],
  ["while it is drawn", client("Drawn").replace('"Drawn "', 'nothing() + "Drawn "'), "client.tsx:5"],
  ["in a timer of its own", client("Drawn", "setTimeout(() => {\n  nothing();\n}, 1);"), "client.tsx:4"],
];

for (const [what, text, where] of FAILING)
  test(`a client half that fails ${what} is shown with file and line of its source, and told in the terminal`, async t => {
    const { node, page, save } = await developing(t, { ignore: [/note/, /nothing/] });
    await say(page, "/note one");
    await row(page, "Drawn one kept").waitFor();
    await reloaded(page, () => save("client.tsx", text));
    await problems(page).getByText(where).waitFor();
    await node.logged(`“note” failed in a browser (${where}): `);
    await reloaded(page, () => save("client.tsx", client("Mended")));
    await row(page, "Mended one kept").waitFor();
    assert.equal(await problems(page).count(), 0);
  });

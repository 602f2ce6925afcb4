/** Takes the README's picture of the real page: three nodes, four people, one of them in a browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { io, type Socket } from "socket.io-client";

const ROOT = join(import.meta.dirname, "..");
const PICTURE = join(ROOT, "ui/picture.png");
const MAX_BYTES = 200_000;

const TALK: [string, string][] = [
  ["raj", "Morning! The release candidate is on all three nodes."],
  ["daming", "早上好。我这边测试全部通过 ✅"],
  [
    "zoe",
    "I pulled the plug on `node-b` for five minutes, and nothing was lost:\n- 312 messages **caught up**\n- every one of them once, in order",
  ],
  ["raj", "Nobody noticed 😄 The script, for the notes:\n```sh\nPORT=5003 ZMQ_HOST=node-a web-chat\n```"],
  ["daming", "太好了。我们今天发布？"],
];

const directory = await mkdtemp(join(tmpdir(), "web-chat-picture-"));
const nodes: ChildProcess[] = [];
const sockets: Socket[] = [];
try {
  const a = await start("node-a");
  const peers = `127.0.0.1:${a.zmqPort}`;
  const [b, c] = [await start("node-b", peers), await start("node-c", peers)];
  const people = { raj: await connect(b, "Raj"), daming: await connect(b, "大明"), zoe: await connect(c, "Zoë") };
  await people.raj.emitWithAck("chat:room", { name: "ops" });
  await people.raj.emitWithAck("chat:room", { name: "设计" });

  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ["--headless", "--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage({ viewport: { width: 1180, height: 720 }, deviceScaleFactor: 1.4, locale: "en" });
  await page.goto(a.url);
  await page.getByRole("textbox").fill("Ana");
  await page.keyboard.press("Enter");
  await page.getByRole("log").waitFor();
  for (const [who, text] of TALK) {
    await people[who as keyof typeof people].emitWithAck("text", { room: "lobby", body: { text } });
    await page.getByRole("log").getByRole("article").last().waitFor();
  }
  const composer = page.getByRole("textbox", { name: /^Message/ });
  await composer.fill("Yes. Shipping it **now** → https://chat.example/notes");
  await composer.press("Enter");
  await page.getByText("Stored on another node too").first().waitFor({ state: "attached" });
  await page.getByRole("img", { name: "3 of 3 nodes are up" }).waitFor();
  // Until every node has said how it is a few times, the figures and their curves are empty.
  await page.waitForTimeout(8_000);
  await people.daming.emitWithAck("typing", { room: "lobby", body: { typing: true } });
  await page.getByText("大明 is typing…").waitFor();
  await page.screenshot({ path: PICTURE });
  await browser.close();
} finally {
  for (const socket of sockets) socket.disconnect();
  await Promise.all(nodes.map(node => node.kill() && once(node, "exit")));
  await rm(directory, { recursive: true });
}
const { size } = statSync(PICTURE);
if (size > MAX_BYTES) throw new Error(`the picture has ${size} bytes, more than ${MAX_BYTES}`);
process.stdout.write(`${PICTURE}: ${size} bytes\n`);

/** Starts a node of its own process; resolves when it has found its peers. */
async function start(name: string, peers = ""): Promise<{ url: string; zmqPort: number }> {
  const settings = { PORT: "0", HOST: "127.0.0.1", ZMQ_HOST: peers, NODE_NAME: name, DATA_DIR: join(directory, name) };
  const node = spawn(process.execPath, [join(ROOT, "core/main.ts")], {
    env: { PATH: process.env.PATH, ...settings } as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "inherit"],
  });
  nodes.push(node);
  let at: { url: string; zmqPort: number } | undefined;
  for await (const line of createInterface({ input: node.stdout })) {
    const said = JSON.parse(line) as { url?: string; zmqPort: number; msg: string };
    if (said.url !== undefined) at = { url: said.url, zmqPort: said.zmqPort };
    if (said.msg === "ready" && at) break;
  }
  node.stdout.resume();
  if (!at) throw new Error(`${name} did not start`);
  return at;
}

async function connect(node: { url: string }, name: string): Promise<Socket> {
  const socket = io(node.url, { auth: { name }, forceNew: true });
  sockets.push(socket);
  await new Promise((resolve, reject) => {
    socket.once("welcome", resolve);
    socket.once("connect_error", reject);
  });
  await socket.emitWithAck("join", { room: "lobby" });
  return socket;
}

/** The Chromium that the set-up of `npm test` found, or the one that the environment names. */
function chromiumPath(): string {
  return process.env.CHROMIUM ?? readFileSync(join(ROOT, "node_modules/.cache/web-chat/chromium"), "utf8");
}

/** What pictures are taken of: nodes of their own processes, people without a page, and a browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { io, type Socket } from "socket.io-client";

export const ROOT = join(import.meta.dirname, "../..");

export class Stage {
  readonly directory: string;
  readonly browser: Browser;
  readonly #nodes: ChildProcess[] = [];
  readonly #sockets: Socket[] = [];

  private constructor(directory: string, browser: Browser) {
    this.directory = directory;
    this.browser = browser;
  }

  /** All that `play` sets up is gone afterwards, also where it throws. */
  static async open(play: (stage: Stage) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), "web-chat-picture-"));
    const args = ["--headless", "--no-sandbox", "--disable-gpu"];
    const browser = await chromium.launch({ executablePath: chromiumPath(), args });
    const stage = new Stage(directory, browser);
    try {
      await play(stage);
    } finally {
      await browser.close();
      for (const socket of stage.#sockets) socket.disconnect();
      await Promise.all(stage.#nodes.map(node => node.kill() && once(node, "exit")));
      await rm(directory, { recursive: true });
    }
  }

  /** Starts a node of its own process; resolves when it has found its peers. */
  async start(name: string, given: Record<string, string> = {}): Promise<{ url: string; zmqPort: number }> {
    const settings = { PORT: "0", HOST: "127.0.0.1", NODE_NAME: name, DATA_DIR: join(this.directory, name), ...given };
    const node = spawn(process.execPath, [join(ROOT, "core/main.ts")], {
      env: { PATH: process.env.PATH, ...settings } as NodeJS.ProcessEnv,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#nodes.push(node);
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

  /** Somebody without a page, in the lobby. */
  async connect(node: { url: string }, name: string): Promise<Socket> {
    const socket = io(node.url, { auth: { name }, forceNew: true });
    this.#sockets.push(socket);
    await new Promise((resolve, reject) => {
      socket.once("welcome", resolve);
      socket.once("connect_error", reject);
    });
    await socket.emitWithAck("join", { room: "lobby" });
    return socket;
  }

  /** Somebody's page, in the lobby. */
  async page(node: { url: string }, name: string, options: BrowserContextOptions): Promise<Page> {
    const page = await this.browser.newPage(options);
    await page.goto(node.url);
    await page.getByRole("textbox").fill(name);
    await page.keyboard.press("Enter");
    await page.getByRole("log").waitFor();
    return page;
  }
}

/** Says how large a picture became; throws where that is too much. */
export function weigh(picture: string, maxBytes: number): void {
  const { size } = statSync(picture);
  if (size > maxBytes) throw new Error(`${picture} has ${size} bytes, more than ${maxBytes}`);
  process.stdout.write(`${picture}: ${size} bytes\n`);
}

/** The Chromium that the set-up of `npm test` found, or the one that the environment names. */
function chromiumPath(): string {
  return process.env.CHROMIUM ?? readFileSync(join(ROOT, "node_modules/.cache/web-chat/chromium"), "utf8");
}

/** A Redis of its own for one run: nothing on disk, on a port that was free, on the servers' core. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { type Run, Skipped } from "../workload.ts";
import { pinned, SERVER_CORE } from "./server.ts";

const REDIS = "/usr/bin/redis-server";

/** Throws `Skipped` where there is none. */
export async function startRedis(run: Run): Promise<{ url: string; pid: number }> {
  if (!existsSync(REDIS)) throw new Skipped(`there is no ${REDIS} (Debian's package redis-server)`);
  const port = await freePort();
  const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const [program = "", ...words] = pinned(SERVER_CORE, [REDIS, ...options, "--daemonize", "no"]);
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  run.defer(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "close");
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes("Ready to accept connections")) continue;
    child.stdout.resume();
    return { url: `redis://127.0.0.1:${port}`, pid: child.pid as number };
  }
  throw new Error("Redis did not start");
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

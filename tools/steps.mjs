import { spawnSync } from "node:child_process";

/** What a person has to do something about; its message is all that they are shown. */
export class Failure extends Error {}

/** Runs a program under a line that says what it does and how many seconds it took; its own output is shown only if it fails. */
export function step(what, command, args, { hint, ...options } = {}) {
  const startedAt = Date.now();
  process.stdout.write(`${what} … `);
  const end = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 << 20,
    ...options,
  });
  const failed = end.status !== 0;
  process.stdout.write(`${failed ? "failed" : "done"} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
  if (!failed) return;
  process.stderr.write(`${end.stdout ?? ""}${end.stderr ?? ""}${end.error ? `${end.error.message}\n` : ""}`);
  throw new Failure(hint);
}

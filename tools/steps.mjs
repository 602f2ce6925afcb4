import { spawn } from "node:child_process";
import { once } from "node:events";

/** What a person has to do something about; its message is all that they are shown. */
export class Failure extends Error {}

/** ^C: nothing is tried instead. */
export class Stopped extends Error {}

/** Runs a program under a line that says what it does and how many seconds it took; its own output is shown only if it fails. */
export async function step(what, command, args, { hint, ...options } = {}) {
  const startedAt = Date.now();
  process.stdout.write(`${what} … `);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const output = [];
  child.stdout.on("data", chunk => output.push(chunk));
  child.stderr.on("data", chunk => output.push(chunk));
  // ^C reaches the program as well, and npm takes seconds to undo what it did: a next run must not start meanwhile.
  let stopped = false;
  const stop = () => {
    if (!stopped) process.stdout.write("stopping … ");
    stopped = true;
  };
  process.on("SIGINT", stop);
  const [status] = await once(child, "close").catch(error => [output.push(`${error.message}\n`)]);
  process.off("SIGINT", stop);
  const end = stopped ? "stopped" : status === 0 ? "done" : "failed";
  process.stdout.write(`${end} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
  if (stopped) throw new Stopped("Stopped before the end; the same command goes on from here.");
  if (status === 0) return;
  for (const chunk of output) process.stderr.write(chunk);
  throw new Failure(hint);
}

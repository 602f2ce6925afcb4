/** How a process that hangs is replaced by a new one: by the same command, on the same data directory and ports. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { isSea } from "node:sea";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";

/** A program, and its arguments without its own name. */
export type Command = { readonly file: string; readonly args: readonly string[] };

/** The process that is to wait for the end of the one before it. */
const VARIABLE = "WEB_CHAT_SUCCEEDS";
const DIES_WITHIN_MS = 500;

/** What this process was started with. To be called on the main thread. */
export function ownCommand(): Command {
  const { execPath: file, execArgv, argv } = process;
  return { file, args: isSea() ? argv.slice(2) : [...execArgv, ...argv.slice(1)] };
}

/** JavaScript that makes the process the new one, in place: the same pid, the same terminal, the same parent. */
export function inPlace({ file, args }: Command, variables: Readonly<Record<string, string>>): string {
  const words = JSON.stringify([file, ...args]);
  return `process.execve(${JSON.stringify(file)}, ${words}, { ...process.env, ...${JSON.stringify(variables)} })`;
}

/** Where nobody else starts it again, a process that begins its work when this one has ended; then ends this one. */
export async function replace({ file, args }: Command, variables: Readonly<Record<string, string>>): Promise<never> {
  // A container ends with its first process, and systemd ends what a service left: both are started anew.
  if (process.pid !== 1 && process.env.INVOCATION_ID === undefined) {
    const env = { ...process.env, ...variables, [VARIABLE]: String(process.pid) };
    // It sees the end of this process by that of the channel: a pid lives on until its parent has asked for it.
    const successor = spawn(file, args, { detached: true, stdio: ["inherit", "inherit", "inherit", "ipc"], env });
    // Without one this process is of no more use than with it.
    await once(successor, "spawn").catch(() => {});
  }
  process.kill(process.pid, "SIGKILL");
  await sleep(DIES_WITHIN_MS);
  // The first process of a container hears no signal of its own, but a fault ends it.
  setFlagsFromString("--allow-natives-syntax");
  throw new Function("%SystemBreak()")();
}

/** Resolves when the process is gone that this one succeeds; at once where it succeeds none. */
export async function predecessorGone(): Promise<void> {
  if (process.env[VARIABLE] === undefined) return;
  delete process.env[VARIABLE];
  if (process.connected) await once(process, "disconnect");
}

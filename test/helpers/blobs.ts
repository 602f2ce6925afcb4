/** Files for tests: as people send them, and as they lie on a disk. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { cleanUp } from "./cleanup.ts";
import type { Answer } from "./client.ts";
import { temporaryDirectory } from "./node.ts";

/** How a WebM file begins. */
export const WEBM = Buffer.from(
  "1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878104428581021853806701ffffff",
  "hex",
);

export const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** WebM as far as its first bytes go, of that length, and another one each time. */
export function webm(length = 10_000): Buffer {
  const bytes = Buffer.alloc(length, `sound ${++recordings} `);
  WEBM.copy(bytes);
  return bytes;
}

let recordings = 0;

export type Put = Answer & { hash: string; size: number; type: string };

export async function put(
  url: string,
  token: string,
  body: RequestInit["body"] | Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; answer: Put }> {
  const response = await fetch(`${url}/blobs`, {
    method: "PUT",
    body: body as RequestInit["body"],
    headers: { ...headers, Authorization: `Bearer ${token}` },
    duplex: "half",
  } as RequestInit);
  return { status: response.status, headers: response.headers, answer: (await response.json()) as Put };
}

/** Turns one bit of a file over, where it lies; returns what it is now. */
export function flipBit(path: string): Buffer {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(path, bytes);
  return bytes;
}

/** Every file of a folder of blobs, by its path in there. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(directory.length + 1))
    .sort();
}

/** A disk of that size, mounted on a folder of its own; undefined where this user cannot mount one. */
export function smallDisk(t: TestContext, megabytes: number): string | undefined {
  const directory = join(temporaryDirectory(t), "disk");
  mkdirSync(directory);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", directory], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  cleanUp(t, () => execFileSync("umount", ["-l", directory]));
  return directory;
}

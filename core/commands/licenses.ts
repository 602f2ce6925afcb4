/** `web-chat licenses`: the terms under which it is handed on, and what is inside it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isSea } from "node:sea";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

/**
 * `root` holds the program's files. From source there is nothing inside: what comes back is the program's own licence then, and says
 * where the others are.
 */
export async function licenses(root: string): Promise<string> {
  if (isSea()) return String(await promisify(brotliDecompress)(await readFile(join(root, "LICENSES.br"))));
  const own = await readFile(join(root, "LICENSE"), "utf8");
  return `${own}\nThis runs from source: each package in ${join(root, "node_modules")} has its own licence beside it.\n`;
}

/** Plugin folders for tests. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Files by their path in the folder. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export const MESSAGE = `import { defineMessage } from "web-chat/plugin";
export default defineMessage({
  type: "note",
  version: 1,
  kind: "log",
  parse: input => input,
  summary: () => "a note",
});
`;
export const SERVER = `import { defineServer } from "web-chat/plugin";
import note from "./message.ts";
export default defineServer(note, { receive: body => body });
`;
export const CLIENT = `import { defineClient } from "web-chat/plugin";
import note from "./message.ts";
export default defineClient(note, { Row: ({ message }) => <p>{message.alt}</p> });
`;
export const NOTE: Files = { "message.ts": MESSAGE, "server.ts": SERVER, "client.tsx": CLIENT };

/** Writes a plugin folder into that directory. Returns its path. */
export function writePlugin(directory: string, name: string, files: Files): string {
  for (const [path, content] of Object.entries(files)) {
    const file = join(directory, name, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return join(directory, name);
}

/** A built-in type as a stranger would have it: in a folder, on its own. Returns its path. */
export function moveOut(directory: string, name: string, packages: readonly string[] = []): string {
  const own = join(ROOT, "plugins", name);
  const path = join(directory, name);
  mkdirSync(path, { recursive: true });
  for (const file of readdirSync(own)) {
    const source = readFileSync(join(own, file), "utf8");
    writeFileSync(join(path, file), source.replaceAll('"../../core/plugin.ts"', '"web-chat/plugin"'));
  }
  packagesInto(path, ...packages);
  return path;
}

/** Installs packages beside a plugin, as npm would: those that this project has. */
export function packagesInto(folder: string, ...packages: readonly string[]): void {
  for (const name of packages)
    cpSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name), {
      recursive: true,
      dereference: true,
    });
}

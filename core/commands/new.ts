/** `web-chat new`: a plugin to begin with, in a folder of its own. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Reject } from "../errors.ts";
import { asFileError } from "../files.ts";
import type { AnyServerPlugin } from "../plugin.ts";
import { faultOfName } from "../plugins/names.ts";

/** What the type is called in the files that `kit` holds. */
const PLACEHOLDER = "template";

/** Writes ./<type>; returns what to do next. Throws `Reject`. */
export async function writePlugin(type: string, kit: string, builtIn: readonly AnyServerPlugin[]): Promise<string> {
  const fault = faultOfName(type, builtIn);
  if (fault) throw new Reject("plugin-invalid", `“${type}” ${fault}`);
  const names = await readdir(kit).catch(() => {
    throw new Reject("file-unusable", `${kit} is missing: npm run build makes it`);
  });
  const folder = resolve(type);
  try {
    await mkdir(folder, { recursive: true });
    if ((await readdir(folder)).length > 0)
      throw new Reject("file-exists", `${folder} is there already, and not empty`);
    for (const name of names) {
      const text = await readFile(join(kit, name), "utf8");
      const named = name.endsWith(".d.ts") ? text : text.replaceAll(PLACEHOLDER, type);
      await writeFile(join(folder, name.replace(PLACEHOLDER, type)), keyed(named, type), { flag: "wx" });
    }
  } catch (error) {
    throw error instanceof Reject ? error : asFileError(error as NodeJS.ErrnoException, folder);
  }
  return [
    `${type}/ is a plugin that works. Change it, then: web-chat check ${type}`,
    `To try it: web-chat dev ${type}, and in the composer: /${type} Lunch?`,
    `What each part does: ${type}/message.ts first; all that a plugin can do: ${type}/web-chat.d.ts`,
  ].join("\n");
}

/** A name with a dash needs quotes where it is a key. */
function keyed(text: string, type: string): string {
  return type.includes("-") ? text.replaceAll(`  ${type}: [`, `  "${type}": [`) : text;
}

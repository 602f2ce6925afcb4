/** A plugin's private settings, which only its server half is given. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { placeInJson, stopCompiling } from "./compile/compile.ts";
import { SETTINGS_FILE } from "./folders.ts";
import { Unloadable } from "./unloadable.ts";

/** What stands in the folder's settings.json; undefined where there is none. Throws `Unloadable`. */
export async function settingsOf(folder: string): Promise<unknown> {
  let text: string;
  try {
    text = readFileSync(join(folder, SETTINGS_FILE), "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // What stands there is a secret, which the engine's words would quote; of the place they say nothing.
    const place = await placeInJson(text);
    await stopCompiling();
    throw new Unloadable(`its ${SETTINGS_FILE} is no JSON`, {
      where: place ? `${SETTINGS_FILE}:${place.line}` : SETTINGS_FILE,
      mend: "there, names and texts stand in double quotes, and no comma before a closing bracket",
    });
  }
}

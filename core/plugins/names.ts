/** What a plugin folder may be called: its types are named after it. */
import type { AnyServerPlugin } from "../plugin.ts";
import { Registry } from "../registry.ts";

const FOLDER_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

export function isFolderName(name: string): boolean {
  return FOLDER_NAME.test(name);
}

/** How to mend a name that is none. */
export function mendOfName(name: string): string {
  const near = name
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, "-")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[-0-9]+|-+$/g, "");
  return near !== name && isFolderName(near)
    ? `rename the folder to ${near}`
    : "rename the folder, and the types in it";
}

/** Why that is no name for a new type, as the end of a sentence; undefined where it is one. */
export function faultOfName(name: string, builtIn: readonly AnyServerPlugin[]): string | undefined {
  if (!isFolderName(name)) return "is no name for a type: it takes small letters, digits and dashes, a letter first";
  if (builtIn.some(({ message }) => message.type === name)) return "is built in";
  try {
    new Registry([
      { message: { type: name, version: 1, kind: "log", parse: Object, summary: String }, hooks: () => ({}) },
    ]);
    return undefined;
  } catch {
    return "is no name for a type: it is reserved, or too long";
  }
}

/** The message types that this page knows. Whoever asks for another gets nothing, and shows `alt`. */

import type { AnyClientPlugin, Message, Role } from "../core/plugin.ts";
import plugins from "../plugins/client.ts";

const byType = new Map(plugins.map(plugin => [plugin.message.type, plugin]));

export { plugins };
export const types = [...byType.keys()];

export function pluginOf(type: string): AnyClientPlugin | undefined {
  return byType.get(type);
}

/** The plugin folder that a type belongs to. */
export function folderOf(type: string): string {
  return type.replace(/\..*/s, "");
}

/** The role of what is to be sent; what came says its own. */
export function roleOf(type: string): Role {
  return byType.get(type)?.message.role ?? "row";
}

/** One line that stands for a message, or "" where nothing does. */
export function lineOf({ type, alt, body }: Pick<Message, "type" | "alt" | "body">): string {
  try {
    return alt ?? byType.get(type)?.message.summary(body) ?? "";
  } catch {
    return "";
  }
}

/** Where in the sources of a plugin something was thrown. */

/** Of a built-in one: `plugins/text/server.ts:12`, the first of its frames. No path of this machine stands in it. */
export function builtInPlace(error: unknown): string | undefined {
  try {
    const { stack } = error as Error;
    const [, path, line] = /(?:\/|\\)(plugins\/[^/\s:()]+\/[^\s:()]+\.tsx?):(\d+):\d+\)?$/m.exec(stack ?? "") ?? [];
    return path === undefined ? undefined : `${path}:${line}`;
  } catch {
    return undefined;
  }
}

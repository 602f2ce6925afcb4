/**
 * Puts the code of the example into the guide that builds it: `npm run docs`. With `--check` it changes nothing, and ends with 1
 * where something there is not what the example has. A comment before a block names the file, beside the guide, and how the parts
 * begin that the block has, or lacks:
 *   <!-- code examples/poll/client.tsx lacks "function Form", "    tool:" -->
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";

const GUIDES = ["plugins/README.md"];
const ROOT = join(import.meta.dirname, "..");
const BLOCK = /(<!-- code (\S+?)(?: (has|lacks) (.+?))? -->\n)```\w+\n[\s\S]*?^```$/gm;

const stale = GUIDES.filter(guide => {
  const path = join(ROOT, guide);
  const before = readFileSync(path, "utf8");
  const after = renewed(before, dirname(path));
  if (before !== after && !process.argv.includes("--check")) writeFileSync(path, after);
  return before !== after;
});
for (const guide of stale)
  console.log(process.argv.includes("--check") ? `${guide} is stale: npm run docs` : `${guide} was brought up to date`);
if (stale.length > 0 && process.argv.includes("--check")) process.exitCode = 1;

/** The text of a guide with its blocks as the files beside it are now. Throws where one of them is not there. */
function renewed(text: string, folder: string): string {
  return text.replace(BLOCK, (_, mark: string, file: string, how?: string, parts?: string) => {
    const lines = readFileSync(join(folder, file), "utf8").trimEnd().split("\n");
    const ranges = how ? (JSON.parse(`[${parts}]`) as string[]).map(start => rangeOf(lines, start, file)) : [];
    const named = lines.map((_, at) => ranges.some(([from, to]) => at >= from && at < to));
    const shown = how ? lines.filter((_, at) => named[at] === (how === "has")) : lines;
    return `${mark}\`\`\`${extname(file).slice(1)}\n${shown.join("\n").trimEnd()}\n\`\`\``;
  });
}

/** Where a part is: a line that is indented, or all up to the next empty line, and that with it. */
function rangeOf(lines: readonly string[], start: string, file: string): [from: number, to: number] {
  const found = lines.flatMap((line, at) => (line.replace(/^export /, "").startsWith(start) ? at : []));
  const [at] = found;
  if (at === undefined || found.length > 1) throw new Error(`${file}: ${found.length} lines begin with “${start}”`);
  if (start.startsWith(" ")) return [at, at + 1];
  const from = lines.lastIndexOf("", at) + 1;
  const end = lines.indexOf("", at);
  return [from, end < 0 ? lines.length : end + 1];
}

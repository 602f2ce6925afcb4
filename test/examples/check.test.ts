/** Every example keeps the contract, as `web-chat check` says of a copy that a stranger made. */
import assert from "node:assert/strict";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand, temporaryDirectory } from "../helpers/node.ts";

const EXAMPLES = join(import.meta.dirname, "../../plugins/examples");
/** Of those that do nothing without. */
const SETTINGS: Record<string, object> = { github: { secret: "a secret of the test" } };

for (const name of readdirSync(EXAMPLES))
  test(`web-chat check finds nothing in the example ${name}`, async t => {
    const folder = join(temporaryDirectory(t), name);
    cpSync(join(EXAMPLES, name), folder, { recursive: true });
    if (SETTINGS[name]) writeFileSync(join(folder, "settings.json"), JSON.stringify(SETTINGS[name]));
    const { code, output } = await runCommand(["check", folder]);
    assert.match(output, /is sound \(contract, tests/);
    assert.equal(code, 0);
  });

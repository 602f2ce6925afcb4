import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { Reject } from "../../core/errors.ts";
import { gather, nearMisses, SETTINGS } from "../../core/settings.ts";
import { temporaryDirectory } from "../helpers/node.ts";
import { holds } from "../suites/samples.ts";

function file(t: TestContext, content: string): string {
  const path = join(temporaryDirectory(t), "config.json");
  writeFileSync(path, content);
  return path;
}

test("a flag wins over the environment, and that over the config file", t => {
  const path = file(t, JSON.stringify({ port: 1, host: "file", "node-name": "file" }));
  const given = gather({ port: "3" }, { PORT: "2", HOST: "environment", DATA_DIR: "", PATH: "/bin" }, path);
  assert.equal(given.PORT, "3");
  assert.equal(given.HOST, "environment");
  assert.equal(given.NODE_NAME, "file");
  assert.equal(given.DATA_DIR, undefined);
  assert.deepEqual(
    Object.keys(given),
    SETTINGS.map(({ env }) => env),
  );
});

test("a config file has numbers, truths and lists as JSON has them", t => {
  const path = file(t, `\uFEFF{ "port": 5003, "trust-proxy": true, "zmq-host": ["chat-b", "chat-c:6001"] }`);
  const given = gather({}, {}, path);
  assert.deepEqual([given.PORT, given.TRUST_PROXY, given.ZMQ_HOST], ["5003", "true", "chat-b,chat-c:6001"]);
});

for (const [what, content, says] of [
  ["a key that is no setting", '{ "zmq-hosts": "chat-b" }', /no setting “zmq-hosts”; the nearest is “zmq-host”/],
  ["a key of every object", '{ "constructor": "x" }', /no setting “constructor”/],
  ["what is no JSON", "port: 5002", /JSON/],
  ["what is no object", "[]", /JSON object/],
  ["a value of another kind", '{ "port": { "number": 1 } }', /“port” has to be/],
] as const)
  test(`a config file with ${what} is refused in one line`, t => {
    const path = file(t, content);
    assert.throws(
      () => gather({}, {}, path),
      (error: Error) => {
        assert.ok(error instanceof Reject && error.code === "config-invalid");
        assert.match(error.message, says);
        return error.message.startsWith(path) && !error.message.includes("\n");
      },
    );
  });

test("a config file that is not there is named", () => {
  assert.throws(() => gather({}, {}, "/no/such.json"), { code: "config-invalid", message: /no\/such\.json/ });
});

test("whatever a config file holds, the answer is settings or one clear line", async t => {
  const path = file(t, "");
  await holds(
    t,
    fc.property(fc.oneof(fc.json(), fc.string({ unit: "binary" })), content => {
      writeFileSync(path, content);
      try {
        for (const value of Object.values(gather({}, {}, path)))
          assert.ok(value === undefined || typeof value === "string");
      } catch (error) {
        assert.ok(error instanceof Reject && error.code === "config-invalid", String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test("a variable that is nearly a setting is noticed, and others' variables are not", () => {
  assert.deepEqual(
    nearMisses({ ZMQ_HOSTS: "x", CLUSTER_SECRETS: "x", HOSTNAME: "x", PATH: "x", POST: "x", PORT: "1" }),
    [
      { name: "ZMQ_HOSTS", meant: "ZMQ_HOST" },
      { name: "CLUSTER_SECRETS", meant: "CLUSTER_SECRET" },
    ],
  );
});

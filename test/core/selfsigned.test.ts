/** A node's own certificate over the years: kept, renewed, never under another authority without a word. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SelfSigned } from "../../core/tls/selfsigned.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";

const DAY_MS = 86_400_000;
const START = Date.now();

/** A data folder, and what opens the certificate in it as a start of a node does. */
function machine(t: TestContext) {
  const directory = join(temporaryDirectory(t), "tls");
  const told: string[] = [];
  const state = { lasting: ["localhost", "kitchen", "127.0.0.1", "192.168.1.5"], passing: ["fd00::5"], now: START };
  const logger = { info: () => {}, warn: (_: object, message: string) => void told.push(message) };
  const open = async () => {
    const parts = { directory, names: () => state, logger, now: () => state.now };
    const opened = await SelfSigned.open(parts);
    cleanUp(t, () => opened.close());
    return opened;
  };
  return { directory, told, state, open };
}

const names = (opened: SelfSigned) => new X509Certificate(opened.pair.cert).subjectAltName;
const serial = (opened: SelfSigned) => new X509Certificate(opened.pair.cert).serialNumber;

test("the folder is its owner's alone, and the keys are", async t => {
  const { directory, open } = machine(t);
  await open();
  const mode = (name: string) => statSync(join(directory, name)).mode & 0o777;
  assert.equal(mode("."), 0o700);
  assert.deepEqual(readdirSync(directory).sort(), ["ca.crt", "ca.key", "server.pem"]);
  assert.equal(mode("ca.key"), 0o600);
  assert.equal(mode("server.pem"), 0o600);
});

test("authority and certificate outlive a restart", async t => {
  const { open, told } = machine(t);
  const [first, second] = [await open(), await open()];
  assert.deepEqual(second.authority, first.authority);
  assert.deepEqual(second.pair, first.pair);
  assert.deepEqual(told, []);
});

test("a certificate with less than 30 days left is renewed at start, under the same authority", async t => {
  const { open, state } = machine(t);
  const first = await open();
  state.now = START + 365 * DAY_MS;
  assert.equal(serial(await open()), serial(first), "31 days are left");
  state.now = START + 367 * DAY_MS;
  const renewed = await open();
  assert.notEqual(serial(renewed), serial(first));
  assert.deepEqual(renewed.authority, first.authority);
  assert.ok(new X509Certificate(renewed.pair.cert).validToDate.getTime() > state.now + 360 * DAY_MS);
});

test("a certificate is renewed while the node runs, and whoever uses it is told", async t => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { open, state } = machine(t);
  const opened = await open();
  const before = serial(opened);
  const renewed = new Promise(resolve => {
    opened.renewed = resolve;
  });
  state.now = START + 367 * DAY_MS;
  t.mock.timers.tick(3_600_000);
  assert.equal(await renewed, opened.pair);
  assert.notEqual(serial(opened), before);
});

test("a new address is told, and left out: a name too many would spoil the whole certificate", async t => {
  const { directory, open, state, told } = machine(t);
  const first = await open();
  state.lasting = [...state.lasting, "192.168.1.77", "parlour.local"];
  const second = await open();
  assert.equal(names(second), names(first));
  assert.equal(told.length, 1);
  assert.match(told[0] as string, /as 192\.168\.1\.77, parlour\.local: .*; remove .*tls, start again, and install/);
  assert.ok(told[0]?.includes(directory) && !told[0].includes("\n"));
  await second.reload();
  assert.equal(told.length, 1, "said once");
});

test("an IPv6 address that is there for a day is worth no warning", async t => {
  const { open, state, told } = machine(t);
  await open();
  state.passing = ["fd00::dead"];
  await open();
  assert.deepEqual(told, []);
});

test("a permitted name that was away comes into the certificate again", async t => {
  const { directory, open, state } = machine(t);
  await open();
  rmSync(join(directory, "server.pem"));
  const { lasting } = state;
  state.lasting = lasting.filter(name => name !== "192.168.1.5");
  const opened = await open();
  assert.doesNotMatch(names(opened) ?? "", /192\.168/);
  state.lasting = lasting;
  await opened.reload();
  assert.match(names(opened) ?? "", /192\.168\.1\.5/);
});

test("an authority near its end is told, and one that has ended is refused", async t => {
  const { open, state, told } = machine(t);
  await open();
  state.now = START + 3_640 * DAY_MS;
  const opened = await open();
  assert.match(told.join(), /authority expires on \d{4}-\d\d-\d\d: remove/);
  const before = serial(opened);
  await opened.reload();
  assert.equal(serial(opened), before, "there is nothing to be won by another one");
  state.now = START + 3_651 * DAY_MS;
  await assert.rejects(open(), { code: "data-dir", message: /it expired on/ });
});

const DAMAGES: [what: string, damage: (directory: string) => void][] = [
  ["without its key", directory => rmSync(join(directory, "ca.key"))],
  ["without its certificate", directory => rmSync(join(directory, "ca.crt"))],
  ["with junk for a certificate", directory => writeFileSync(join(directory, "ca.crt"), "junk")],
  ["with an empty key", directory => writeFileSync(join(directory, "ca.key"), "")],
  [
    "with the server's certificate in place of its own",
    directory => writeFileSync(join(directory, "ca.crt"), readFileSync(join(directory, "server.pem"))),
  ],
  [
    "with the server's key in place of its own",
    directory => writeFileSync(join(directory, "ca.key"), readFileSync(join(directory, "server.pem"))),
  ],
];

for (const [what, damage] of DAMAGES)
  test(`an authority ${what} is refused in one line, and left as it is`, async t => {
    const { directory, open } = machine(t);
    await open();
    damage(directory);
    const content = () => readdirSync(directory).map(name => [name, readFileSync(join(directory, name), "utf8")]);
    const before = content();
    await assert.rejects(open(), (error: Error & { code: string }) => {
      assert.equal(error.code, "data-dir");
      assert.match(error.message, /^the certificate authority is damaged \(.+\): put its files back, or remove /);
      return error.message.includes(directory) && !error.message.includes("\n");
    });
    assert.deepEqual(content(), before);
  });

for (const [what, content] of [
  ["empty", () => ""],
  ["junk", () => "junk"],
  ["cut off", (whole: string) => whole.slice(0, whole.length / 2)],
] as const)
  test(`a server's certificate that is ${what} is told and made anew, under the same authority`, async t => {
    const { directory, open, told } = machine(t);
    const first = await open();
    const path = join(directory, "server.pem");
    writeFileSync(path, content(readFileSync(path, "utf8")));
    const second = await open();
    assert.deepEqual(second.authority, first.authority);
    assert.notEqual(serial(second), serial(first));
    assert.match(told.join(), /server\.pem is damaged, and is made anew/);
  });

test("a certificate that cannot be written is refused in words, with where it was to go", async t => {
  const { directory, open } = machine(t);
  await open();
  rmSync(join(directory, "server.pem"));
  mkdirSync(join(directory, "server.pem.new"));
  await assert.rejects(open(), (error: Error & { code: string }) => {
    assert.equal(error.code, "file-unusable");
    return error.message.startsWith(`${directory} cannot be used: `);
  });
});

test("the server's certificate of another authority is replaced", async t => {
  const [one, other] = [machine(t), machine(t)];
  await one.open();
  const foreign = await other.open();
  writeFileSync(join(one.directory, "server.pem"), readFileSync(join(other.directory, "server.pem")));
  assert.notEqual(serial(await one.open()), serial(foreign));
});

test("what an interrupted start left behind is in nobody's way", async t => {
  const { directory, open } = machine(t);
  writeFileSync(`${directory}.new`, "");
  const opened = await open();
  assert.ok(opened.pair.cert);
  assert.deepEqual(readdirSync(join(directory, "..")), ["tls"]);
});

import assert from "node:assert/strict";
import { hostname } from "node:os";
import test from "node:test";
import fc from "fast-check";
import { ownHosts, parseSeeds, resolveSeed } from "../../core/cluster/seeds.ts";
import { readConfig } from "../../core/config.ts";
import { Reject } from "../../core/errors.ts";
import { SETTINGS } from "../../core/settings.ts";
import { holds } from "../suites/samples.ts";

const unusable = (name: string) => ({ name: "Reject", code: "config-invalid", message: new RegExp(`^${name} is “`) });

test("without any setting there is a usable node", () => {
  const config = readConfig({});
  assert.equal(config.port, 5002);
  assert.equal(config.zmqPort, 6002);
  assert.equal(config.zmqPubPort, 7002);
  assert.equal(config.name, hostname());
  assert.equal(config.dataDir, "web-chat-data/5002");
  assert.equal(config.rateLimit, 10);
  assert.equal(config.logLevel, "info");
  assert.equal(config.ack, "local");
  assert.deepEqual(config.seeds, []);
  assert.deepEqual(config.advertise, []);
  assert.equal(config.publicUrl, undefined);
});

test("the other ports, the name and the folder follow the port", () => {
  const config = readConfig({ PORT: "5003" });
  assert.equal(config.zmqPort, 6003);
  assert.equal(config.zmqPubPort, 7003);
  assert.equal(config.dataDir, "web-chat-data/5003");
  assert.match(config.name, /:5003$/);
});

test("free ports are taken where the port is 0", () => {
  const { port, zmqPort, zmqPubPort } = readConfig({ PORT: "0" });
  assert.deepEqual({ port, zmqPort, zmqPubPort }, { port: 0, zmqPort: 0, zmqPubPort: 0 });
});

test("every setting is used as it is given, without the spaces around it", () => {
  const config = readConfig({
    PORT: " 80 ",
    HOST: "127.0.0.1",
    ZMQ_HOST: "chat-b, chat-c:7000,",
    ZMQ_PORT: "9000",
    ZMQ_ADVERTISE: "203.0.113.7,chat.example",
    PUBLIC_URL: "https://chat.example:8443/path",
    BASE_PATH: " /a/chat/ ",
    TRUST_PROXY: "10.0.0.0/8, loopback",
    TLS_CERT: "cert.pem",
    TLS_KEY: "key.pem",
    CLUSTER_SECRET: "0123456789abcdef, fedcba9876543210",
    ACK: "peer",
    PLUGINS: "/srv/chat/plugins",
    NATIVE_DIR: "/var/cache/chat",
    NODE_NAME: " Kitchen node ",
    DATA_DIR: "/var/lib/chat",
    RATE_LIMIT: "0",
    CLAIM_LIMIT: "7",
    BLOB_LIMIT: "500 KB",
    BLOB_QUOTA: "1g",
    LOG_LEVEL: "silent",
  });
  assert.deepEqual(
    { ...config, publicUrl: config.publicUrl?.host },
    {
      port: 80,
      host: "127.0.0.1",
      seeds: [{ host: "chat-b" }, { host: "chat-c", port: 7000 }],
      zmqPort: 9000,
      zmqPubPort: 10_000,
      advertise: ["203.0.113.7", "chat.example"],
      publicUrl: "chat.example:8443",
      basePath: "/a/chat",
      trustProxy: ["10.0.0.0/8", "loopback"],
      tls: { cert: "cert.pem", key: "key.pem" },
      secrets: ["0123456789abcdef", "fedcba9876543210"],
      ack: "peer",
      plugins: "/srv/chat/plugins",
      nativeDir: "/var/cache/chat",
      name: "Kitchen node",
      dataDir: "/var/lib/chat",
      rateLimit: 0,
      claimLimit: 7,
      blobLimit: 500 * 1024,
      blobQuota: 1024 ** 3,
      logLevel: "silent",
    },
  );
});

test("an ack mode that is written wrong is told the nearest", () => {
  assert.throws(() => readConfig({ ACK: "pear" }), {
    message: "ACK is “pear”, and has to be local or peer; the nearest is “peer”",
  });
  assert.throws(() => readConfig({ ACK: "locale" }), { message: /the nearest is “local”$/ });
});

test("a size is bytes, or a number with its unit", () => {
  for (const [given, bytes] of [
    ["1", 1],
    ["16777216", 16_777_216],
    ["500B", 500],
    ["16KB", 16_384],
    ["16 mb", 16_777_216],
    ["1G", 1_073_741_824],
    ["4GB", 4_294_967_296],
    ["4294967297", undefined],
    ["1tb", undefined],
    ["1.5MB", undefined],
    ["-1", undefined],
    ["MB", undefined],
    ["0", undefined],
    ["99999GB", undefined],
    ["1e9", undefined],
  ] as const) {
    const read = () => readConfig({ BLOB_LIMIT: given, BLOB_QUOTA: "0" }).blobLimit;
    if (bytes === undefined) assert.throws(read, unusable("BLOB_LIMIT"), given);
    else assert.equal(read(), bytes);
  }
  assert.throws(() => readConfig({ BLOB_LIMIT: "2MB", BLOB_QUOTA: "1MB" }), unusable("BLOB_QUOTA"));
});

test("an empty setting is one that was not given", () => {
  assert.deepEqual(readConfig(Object.fromEntries(SETTINGS.map(({ env }) => [env, " "]))), readConfig({}));
});

test("a setting that cannot be used is named, with its value and what it has to be", () => {
  const bad: [name: string, ...values: string[]][] = [
    ["PORT", "-1", "65536", "http", "80.5", "0x50", "1e3", "80 81", "9".repeat(400)],
    ["ZMQ_PORT", "64536", "65535", "x"],
    [
      "ZMQ_HOST",
      "[::::]",
      "[abc]",
      "[1:2:3]",
      "a b",
      "host:",
      "host:0",
      "host:65536",
      "host:port",
      "http://host",
      "[::1",
      "::1]",
      "host;host",
      "[]",
    ],
    ["ZMQ_ADVERTISE", "a b", "http://host", "chat_b", "-x", "chat.", Array(33).fill("chat").join()],
    ["PUBLIC_URL", "chat.example", "ftp://chat.example", "javascript:alert(1)", "/path"],
    ["NODE_NAME", "x".repeat(65)],
    ["BASE_PATH", "chat", "/a b", "/a//b", "/chat?x", "http://host/chat", "/%2e", "/..", "/a/./b"],
    ["TLS", "on", "true", "self"],
    ["TRUST_PROXY", "yes", "10.0.0.0/99", "proxy.example"],
    ["RATE_LIMIT", "-1", "1.5", "many", "1000001"],
    ["CLAIM_LIMIT", "-1", "x"],
    ["ACK", "pear", "PEER", "2", "constructor"],
    ["LOG_LEVEL", "verbose", "INFO", "constructor"],
  ];
  for (const [name, ...values] of bad)
    for (const value of values) assert.throws(() => readConfig({ [name]: value }), unusable(name), `${name}=${value}`);
});

test("settings that do not go together, and secrets that can be guessed, are refused", () => {
  for (const given of [
    { TLS_CERT: "cert.pem" },
    { TLS_KEY: "key.pem" },
    { TLS: "self-signed", TLS_CERT: "cert.pem", TLS_KEY: "key.pem" },
    { CLUSTER_SECRET: "short" },
    { CLUSTER_SECRET: "0123456789abcdef,short" },
  ])
    assert.throws(() => readConfig(given), { code: "config-invalid" });
});

test("behind proxies that are trusted: every private address, or none", () => {
  assert.deepEqual(readConfig({ TRUST_PROXY: "true" }).trustProxy, ["loopback", "linklocal", "uniquelocal"]);
  assert.deepEqual(readConfig({ TRUST_PROXY: "false" }).trustProxy, []);
});

test("a port that leaves no room for publications says so", () => {
  assert.throws(() => readConfig({ PORT: "64000" }), { code: "config-invalid", message: /ZMQ_PORT.*at most 64535/ });
  assert.equal(readConfig({ ZMQ_PORT: "64535" }).zmqPubPort, 65_535);
});

test("whatever stands in a setting, the answer is a configuration or one clear line", async t => {
  const value = fc.string({ unit: "binary", maxLength: 100 });
  const given = fc.record(Object.fromEntries(SETTINGS.map(({ env }) => [env, value])), { requiredKeys: [] });
  await holds(
    t,
    fc.property(given, given => {
      try {
        readConfig(given);
      } catch (error) {
        assert.ok(error instanceof Reject && error.code === "config-invalid", String(error));
        assert.ok(error.message.length < 300);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("each setting is a flag and a variable of its own", () => {
  assert.equal(new Set(SETTINGS.map(({ env }) => env)).size, SETTINGS.length);
  for (const { flag, env } of SETTINGS) assert.equal(flag, env.toLowerCase().replaceAll("_", "-"));
});

test("peers are named as hosts, addresses of both protocols, with or without a port", () => {
  for (const [text, seeds] of [
    ["", []],
    [" , ,", []],
    ["chat-b", [{ host: "chat-b" }]],
    ["chat_b.local.:1", [{ host: "chat_b.local.", port: 1 }]],
    ["192.0.2.1:65535", [{ host: "192.0.2.1", port: 65_535 }]],
    ["::1", [{ host: "::1" }]],
    ["[::1]", [{ host: "::1" }]],
    ["[2001:db8::7]:6002", [{ host: "2001:db8::7", port: 6002 }]],
    ["[::ffff:192.0.2.1]:1", [{ host: "::ffff:192.0.2.1", port: 1 }]],
    ["a,b:1 , ::1", [{ host: "a" }, { host: "b", port: 1 }, { host: "::1" }]],
  ] as const)
    assert.deepEqual(parseSeeds(text), seeds, text);
});

test("a loopback name without a port means the neighbourhood, and not the node itself", async () => {
  const addresses = await resolveSeed({ host: "localhost" }, 6010);
  const ports = addresses.map(({ port }) => port).sort((a, b) => a - b);
  const expected = new Set(
    [...Array(16).keys()]
      .map(step => 6002 + step)
      .concat([-8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8].map(step => 6010 + step)),
  );
  expected.delete(6010);
  assert.deepEqual(
    ports,
    [...expected].sort((a, b) => a - b),
  );
  assert.equal(new Set(addresses.map(({ host }) => host)).size, 1, "by one protocol only");
});

test("the neighbourhood of a port at either end of the range stays inside of it", async () => {
  for (const own of [1, 5, 65_535])
    for (const { port } of await resolveSeed({ host: "127.0.0.1" }, own))
      assert.ok(port > 0 && port <= 65_535 && port !== own);
});

test("two nodes on one machine are in each other's neighbourhood, whichever ports they took", async () => {
  for (const [one, other] of [
    [6002, 6003],
    [6003, 6017],
    [30_000, 30_008],
    [30_000, 6002],
  ] as const) {
    const fromOne = (await resolveSeed({ host: "127.0.0.1" }, one)).some(({ port }) => port === other);
    const fromOther = (await resolveSeed({ host: "127.0.0.1" }, other)).some(({ port }) => port === one);
    assert.ok(fromOne || fromOther, `${one} and ${other}`);
  }
});

test("elsewhere a name without a port means the node's own bus port, and with one means that", async () => {
  assert.deepEqual(await resolveSeed({ host: "192.0.2.1" }, 6002), [{ host: "192.0.2.1", port: 6002 }]);
  assert.deepEqual(await resolveSeed({ host: "192.0.2.1", port: 7 }, 6002), [{ host: "192.0.2.1", port: 7 }]);
  assert.deepEqual(await resolveSeed({ host: "2001:db8::7", port: 7 }, 6002), [{ host: "2001:db8::7", port: 7 }]);
  assert.deepEqual(await resolveSeed({ host: "::1", port: 7 }, 6002), [{ host: "::1", port: 7 }]);
  assert.deepEqual(await resolveSeed({ host: "localhost", port: 7 }, 6002).then(found => found.length), 1);
});

test("a name that does not resolve is said to whoever asks", async () => {
  await assert.rejects(resolveSeed({ host: "no-such-host.invalid" }, 6002));
});

test("a node says no loopback and no link-local addresses of itself", () => {
  for (const host of ownHosts()) assert.doesNotMatch(host, /^(127\.|::1$|fe80:)/i);
  assert.equal(new Set(ownHosts()).size, ownHosts().length);
});

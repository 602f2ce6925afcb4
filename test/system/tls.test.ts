/** A node that speaks TLS: with a certificate that somebody else renews, or with one of its own. */
import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readConfig } from "../../core/config.ts";
import { checkHealth } from "../../core/health.ts";
import type { Logger } from "../../core/node.ts";
import plugins from "../../plugins/server.ts";
import { issue, mounted } from "../helpers/certificates.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { newNode, runNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";
import { presented, raw, request, silent } from "../helpers/request.ts";

const SELF_SIGNED = { TLS: "self-signed" };
const serialOf = (cert: string) => new X509Certificate(cert).serialNumber;

/** What a node says, and when it says something. */
function listening() {
  const told: string[] = [];
  const waiting = new Set<() => void>();
  const tell = (_: object, message: string) => {
    told.push(message);
    for (const check of waiting) check();
  };
  const logger: Logger = { info: tell, warn: tell, error: tell };
  const says = (text: RegExp) =>
    new Promise<string>(resolve => {
      const check = () => {
        const found = told.find(line => text.test(line));
        if (found === undefined) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });
  return { logger, told, says };
}

test("the page, both transports and the health check work over TLS", async t => {
  const pair = await issue();
  const node = await newNode(t, mounted(t, pair).settings);
  assert.equal(node.url, `https://localhost:${node.port}`);
  const page = await request(node.url, { ca: pair.ca });
  assert.equal(page.status, 200);
  assert.match(page.body, /<title>web-chat<\/title>/);
  assert.equal(page.headers["strict-transport-security"], undefined);
  for (const transport of ["websocket", "polling"]) {
    const client = await connect(t, node, { name: transport }, { url: node.url, ca: pair.ca, transports: [transport] });
    await client.join("lobby");
    await client.say(`over ${transport}`);
  }
  const own = readConfig({ PORT: String(node.port), TLS: "self-signed" });
  assert.match(await checkHealth(own), /^https:.* is ready$/);
  await assert.rejects(checkHealth(node.url), { code: "unreachable", message: /certificate/ });
  const path = await request(`${node.url}/ca`, { ca: pair.ca });
  assert.equal(path.status, 404, "there is no authority of its own to install");
});

test("a certificate is renewed by swapped links: new connections get it, and open ones stay", async t => {
  const [old, fresh] = [await issue(), await issue()];
  const files = mounted(t, old);
  const { logger, says } = listening();
  const node = await newNode(t, files.settings, plugins, logger);
  const client = await connect(t, node, { name: "Ana" }, { url: node.url, ca: old.ca });
  await client.join("lobby");
  assert.equal((await presented(node.port)).serialNumber, serialOf(old.cert));

  files.put(fresh);
  await says(/a new certificate is in force/);
  assert.equal((await presented(node.port)).serialNumber, serialOf(fresh.cert));
  assert.equal((await request(node.url, { ca: fresh.ca })).status, 200);
  await client.say("still here");
});

test("a pair that does not fit is told in one line, and the old one stays until there is one that does", async t => {
  const [old, fresh] = [await issue(), await issue()];
  const files = mounted(t, old);
  const { logger, says, told } = listening();
  const node = await newNode(t, files.settings, plugins, logger);
  for (const [wrong, why] of [
    [{ cert: fresh.cert, key: old.key }, /is not the key of/],
    [{ cert: fresh.cert }, /TLS_KEY names “.*”, which does not exist/],
    [{ cert: fresh.cert.slice(0, 300), key: fresh.key }, /is damaged/],
    [{ cert: "", key: fresh.key }, /holds no certificate in PEM form/],
  ] as const) {
    files.put(wrong);
    const line = await says(why);
    assert.match(line, /^the old certificate stays in force: /);
    assert.ok(!line.includes("\n"), line);
    assert.equal((await presented(node.port)).serialNumber, serialOf(old.cert));
  }
  files.put(fresh);
  await says(/a new certificate is in force/);
  assert.equal((await presented(node.port)).serialNumber, serialOf(fresh.cert));
  assert.equal(told.filter(line => line.includes("in force")).length, 5);
});

test("SIGHUP reads the certificate again, and does no harm to a node that has none", async t => {
  const secure = await spawnNode(t, mounted(t, await issue()).settings);
  const plain = await spawnNode(t);
  for (const node of [secure, plain]) node.process.kill("SIGHUP");
  await secure.logged("the certificate was read again, and is the same");
  assert.equal((await fetch(`${plain.url}/healthz`)).status, 200);
  assert.equal(await secure.kill("SIGTERM"), 0);
  assert.equal(await plain.kill("SIGTERM"), 0);
});

test("two nodes of one process watch the same files, and one that stops leaves the other watching", async t => {
  const [old, fresh] = [await issue(), await issue()];
  const files = mounted(t, old);
  const first = await newNode(t, files.settings);
  const { logger, says } = listening();
  const second = await newNode(t, files.settings, plugins, logger);
  await first.stop();
  files.put(fresh);
  await says(/a new certificate is in force/);
  assert.equal((await presented(second.port)).serialNumber, serialOf(fresh.cert));
});

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const LOCKED = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }) as string;
const UNUSABLE: [what: string, files: { cert?: string; key?: string }, says: RegExp][] = [
  ["a certificate that is not there", { key: "" }, /TLS_CERT names “.*cert\.pem”, which does not exist/],
  [
    "a certificate that is none",
    { cert: "hello" },
    /TLS_CERT names “.*cert\.pem”, which holds no certificate in PEM form/,
  ],
  ["a key that is not there", { key: "missing" }, /TLS_KEY names “.*key\.pem”, which does not exist/],
  ["a key that is none", { key: "hello" }, /TLS_KEY names “.*key\.pem”, which holds no private key in PEM form/],
  ["a key with a passphrase", { key: LOCKED }, /TLS_KEY names “.*key\.pem”, which is protected by a passphrase/],
  [
    "the key of another certificate",
    { key: privateKey.export({ type: "pkcs8", format: "pem" }) as string },
    /TLS_KEY names “.*key\.pem”, which is not the key of “.*cert\.pem”/,
  ],
];

for (const [what, wrong, says] of UNUSABLE)
  test(`${what} is said in one line at start, and the exit code is 1`, async t => {
    const directory = temporaryDirectory(t);
    const { cert, key } = { ...(await issue()), ...wrong };
    if (wrong.key !== "") writeFileSync(join(directory, "cert.pem"), cert);
    if (wrong.key !== "missing") writeFileSync(join(directory, "key.pem"), key);
    const settings = { PORT: "0", HOST: "127.0.0.1", DATA_DIR: join(directory, "data") };
    const node = runNode({ ...settings, TLS_CERT: join(directory, "cert.pem"), TLS_KEY: join(directory, "key.pem") });
    cleanUp(t, () => node.kill("SIGKILL"));
    assert.equal(await node.ended, 1);
    assert.equal(node.lines.length, 1, node.lines.join("\n"));
    assert.match(node.lines[0] as string, says);
    assert.ok(node.lines[0]?.endsWith("[config-invalid]"), node.lines[0]);
  });

test("a certificate that has expired is served, and told", async t => {
  const { logger, says } = listening();
  const { Authority } = await import("../../core/tls/authority.ts");
  const longAgo = Date.now() - 500 * 86_400_000;
  const pair = await (await Authority.read(await Authority.make(["localhost"], longAgo))).issue(["localhost"], longAgo);
  const node = await newNode(t, mounted(t, pair).settings, plugins, logger);
  await says(/cert\.pem expired on \d{4}-\d\d-\d\d$/);
  assert.equal((await presented(node.port)).serialNumber, serialOf(pair.cert));
});

test("with an authority of its own a node is trusted by whoever installed that, under all of its names", async t => {
  const node = await newNode(t, { ...SELF_SIGNED, PUBLIC_URL: "https://chat.example", ZMQ_ADVERTISE: "10.9.8.7" });
  const ca = (await request(`http://127.0.0.1:${node.port}/ca.crt`)).body;
  assert.equal(ca, node.authority?.certificate);
  for (const host of ["localhost", "127.0.0.1"])
    assert.equal((await request(`https://${host}:${node.port}/healthz`, { ca })).status, 200);
  const { subjectaltname } = await presented(node.port);
  assert.match(subjectaltname ?? "", /DNS:chat\.example/);
  assert.match(subjectaltname ?? "", /IP Address:10\.9\.8\.7/);
  await assert.rejects(request(`https://localhost:${node.port}/healthz`), /certificate/);
});

test("what a device gets before it trusts the node is there in plain HTTP, too", async t => {
  const node = await newNode(t, SELF_SIGNED);
  const { certificate = "", fingerprint = "" } = node.authority ?? {};
  for (const base of [node.url, node.url.replace("https:", "http:")]) {
    const file = await request(`${base}/ca.crt`, { ca: certificate });
    assert.equal(file.status, 200);
    assert.equal(file.headers["content-type"], "application/x-x509-ca-cert");
    assert.equal(new X509Certificate(file.body).fingerprint256, fingerprint);
    const page = await request(`${base}/ca`, { ca: certificate });
    assert.equal(page.status, 200);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'self'/);
    const shown = [...page.body.matchAll(/<span>(..:..)<\/span>/g)].map(([, group]) => group).join(":");
    assert.equal(shown, `${fingerprint}:${fingerprint}`, "in both languages");
    for (const [, asset] of page.body.matchAll(/(?:href|src)="(assets\/[^"]+)"/g))
      assert.equal((await request(`${base}/${asset}`, { ca: certificate })).status, 200, asset);
    assert.equal((await request(`${base}/ca`, { ca: certificate, method: "HEAD" })).body, "");
  }
  assert.equal((await request(`${node.url}/ca.html`, { ca: certificate })).status, 404, "not without its fingerprint");
});

test("there is no authority to install where a node has none", async t => {
  const node = await newNode(t);
  for (const path of ["ca", "ca.crt", "ca.html"]) assert.equal((await fetch(`${node.url}/${path}`)).status, 404, path);
});

test("all else in plain HTTP is sent to the encrypted page: same host, same port, same path", async t => {
  const node = await newNode(t, SELF_SIGNED);
  const base = `http://127.0.0.1:${node.port}`;
  for (const [path, host, to] of [
    ["/", undefined, `https://127.0.0.1:${node.port}/`],
    ["/socket.io/?EIO=4", "chat.example", "https://chat.example/socket.io/?EIO=4"],
    ["/a%20b?c=d%26e", "chat.example:5001", "https://chat.example:5001/a%20b?c=d%26e"],
    ["/", "[fd00::5]:5002", "https://[fd00::5]:5002/"],
  ] as const) {
    for (const method of ["GET", "HEAD"]) {
      const answer = await request(`${base}${path}`, { method, ...(host && { headers: { Host: host } }) });
      assert.equal(answer.status, 308);
      assert.equal(answer.headers.location, to);
      assert.equal(answer.headers["cache-control"], "no-store", "the redirect must not outlive the certificate");
    }
  }
});

test("what cannot be sent on is refused: bodies that have been readable already, and hosts that are none", async t => {
  const node = await newNode(t, SELF_SIGNED);
  const base = `http://127.0.0.1:${node.port}`;
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const answer = await request(`${base}/socket.io/`, { method, body: method === "POST" ? "secret" : "" });
    assert.equal(answer.status, 400, method);
    assert.equal(JSON.parse(answer.body).code, "invalid");
    assert.equal(answer.headers.location, undefined);
  }
  for (const Host of ["evil.example/path", "user@evil.example", "a b", "evil.example:99999999", "<script>", "a:b:c"]) {
    const answer = await request(base, { headers: { Host } });
    assert.equal(answer.status, 400, Host);
    assert.ok(!answer.body.includes(Host) && answer.headers.location === undefined);
  }
  assert.match(await raw(node.port, "GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(
    await raw(node.port, "GET http://evil.example/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    /\r\nLocation: https:\/\/a\/x\r\n/i,
  );
  assert.match(
    await raw(node.port, "GET //evil.example/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    /\r\nLocation: https:\/\/a\//i,
  );
  assert.match(await raw(node.port, "hello\r\n\r\n"), /^HTTP\/1\.1 400 /);
  assert.equal((await request(`${base}/ca`)).status, 200, "and the node lives");
});

test("a connection that does not come to the point is closed", async t => {
  const node = await newNode(t, SELF_SIGNED);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sockets = [await silent(t, node.port), await silent(t, node.port), await silent(t, node.port)];
  sockets[1]?.write("GET / HTTP/1.1\r\n");
  const ended = sockets.map(socket => once(socket.resume(), "close"));
  // The node has them when it has answered one that came after.
  assert.equal((await request(`http://127.0.0.1:${node.port}/ca`)).status, 200);
  t.mock.timers.tick(10_000);
  await Promise.all(ended);
  t.mock.timers.reset();
  assert.equal((await request(`http://127.0.0.1:${node.port}/ca`)).status, 200);
});

/** Connections of every kind that says nothing more. */
async function idlers(t: TestContext, port: number, isSecure: boolean): Promise<void> {
  const partly = await silent(t, port);
  partly.write(isSecure ? Buffer.from([0x16, 3, 1]) : "GET / HT");
  const kept = await silent(t, port);
  kept.write(`GET /ca HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`);
  await once(kept, "data");
  await silent(t, port);
}

for (const [what, settings] of [
  ["plain HTTP", {}],
  ["TLS", SELF_SIGNED],
] as const)
  test(`over ${what} a node stops although connections say nothing, or keep half of what they had to say`, async t => {
    const node = await newNode(t, settings);
    await idlers(t, node.port, "TLS" in settings);
    const options = { url: node.url, ...(node.authority && { ca: node.authority.certificate }) };
    const client = await connect(t, node, { name: "Ana" }, options);
    const startedAt = performance.now();
    await node.stop();
    t.diagnostic(`stopped within ${Math.round(performance.now() - startedAt)} ms`);
    await client.until(() => client.events.some(([event]) => event === "disconnect"));
  });

test("two nodes of one process have authorities of their own", async t => {
  const [one, other] = [await newNode(t, SELF_SIGNED), await newNode(t, SELF_SIGNED)];
  assert.notEqual(one.authority?.fingerprint, other.authority?.fingerprint);
  await assert.rejects(request(other.url, { ca: one.authority?.certificate ?? "" }), /certificate|signature/);
  await one.stop();
  assert.equal((await request(other.url, { ca: other.authority?.certificate ?? "" })).status, 200);
});

test("a start shows the fingerprint that devices show, and where they get the authority", async t => {
  const node = await spawnNode(t, SELF_SIGNED);
  await node.logged("fingerprint");
  const line = node.lines.find(line => line.includes("fingerprint")) as string;
  const { fingerprint, msg } = JSON.parse(line) as { fingerprint: string; msg: string };
  assert.equal(new X509Certificate(readFileSync(join(node.dataDir, "tls/ca.crt"))).fingerprint256, fingerprint);
  const [address = ""] = /http:\S+\/ca/.exec(msg) ?? [];
  assert.equal((await fetch(address)).status, 200);
});

test("a damaged authority is said in one line at start, and the exit code is 1", async t => {
  const { dataDir, stop } = await newNode(t, SELF_SIGNED);
  await stop();
  writeFileSync(join(dataDir, "tls/ca.key"), "");
  const node = runNode({ PORT: "0", HOST: "127.0.0.1", DATA_DIR: dataDir, ...SELF_SIGNED });
  cleanUp(t, () => node.kill("SIGKILL"));
  assert.equal(await node.ended, 1);
  assert.equal(node.lines.length, 1, node.lines.join("\n"));
  assert.match(node.lines[0] as string, /^web-chat: the certificate authority is damaged .* \[data-dir\]$/);
});

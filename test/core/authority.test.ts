/** What an authority may vouch for, and what others make of its certificates. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { Authority } from "../../core/tls/authority.ts";
import type { Pair } from "../../core/tls/pair.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";

const NAMES = ["localhost", "kitchen", "kitchen.local", "127.0.0.1", "::1", "192.168.1.5", "fd00::5", "chat.example"];
const DAY_MS = 86_400_000;
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** What `openssl verify -x509_strict` says; empty where it is content. */
function verify(t: TestContext, authority: Pair, { cert }: Pair, ...options: string[]): string {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "ca.crt"), authority.cert);
  writeFileSync(join(directory, "server.crt"), cert);
  const files = ["-CAfile", join(directory, "ca.crt"), join(directory, "server.crt")];
  const { status, stderr } = spawnSync("openssl", ["verify", "-x509_strict", ...options, ...files], {
    encoding: "utf8",
  });
  return status === 0 ? "" : stderr;
}

/** The error that Node's own TLS ends with when it asks a server with this certificate for that name. */
async function dialled(t: TestContext, authority: Pair, pair: Pair, name: string): Promise<string> {
  const server = createServer(pair).listen(0, "127.0.0.1");
  cleanUp(t, () => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", servername: name, ca: authority.cert });
  cleanUp(t, () => socket.destroy());
  return once(socket, "secureConnect").then(
    () => "",
    (error: Error) => error.message,
  );
}

test("a certificate for all its names is one that OpenSSL takes in its strict mode, under each of them", async t => {
  if (!hasOpenssl) return t.skip("there is no openssl on this machine");
  const authority = await Authority.make(NAMES);
  const pair = await (await Authority.read(authority)).issue(NAMES);
  assert.equal(verify(t, authority, pair, "-purpose", "sslserver"), "");
  for (const name of NAMES) {
    const asked = /^[\d.]+$|:/.test(name) ? "-verify_ip" : "-verify_hostname";
    assert.equal(verify(t, authority, pair, asked, name), "", name);
  }
});

test("a certificate for another name, signed by the same authority, is trusted by nobody", async t => {
  const authority = await Authority.make(NAMES);
  const signer = await Authority.read(authority);
  assert.equal(await dialled(t, authority, await signer.issue(["localhost"]), "localhost"), "");
  for (const stranger of ["bank.example", "example", "chat.example.evil", "xchat.example", "mail.kitchen"]) {
    assert.equal(signer.permits(stranger), false, stranger);
    const forged = await signer.issue([stranger, "localhost"]);
    assert.match(await dialled(t, authority, forged, stranger), /(permitted|excluded) subtree violation/, stranger);
    if (hasOpenssl) assert.match(verify(t, authority, forged), /(permitted|excluded) subtree violation/, stranger);
  }
});

test("a certificate for another address, of either protocol, is trusted by nobody", async t => {
  if (!hasOpenssl) return t.skip("there is no openssl on this machine");
  const authority = await Authority.make(NAMES);
  const signer = await Authority.read(authority);
  for (const stranger of ["192.168.1.6", "127.0.0.2", "::2", "fd00::6", "2001:db8::1"]) {
    assert.equal(signer.permits(stranger), false, stranger);
    assert.match(verify(t, authority, await signer.issue([stranger])), /permitted subtree violation/, stranger);
  }
});

test("it knows itself what it may vouch for: its names, and what is below those that have a dot", async () => {
  const signer = await Authority.read(await Authority.make(NAMES));
  for (const name of [...NAMES, "www.chat.example", "a.localhost"]) assert.equal(signer.permits(name), true, name);
});

test("an authority cannot make others", async t => {
  if (!hasOpenssl) return t.skip("there is no openssl on this machine");
  const authority = await Authority.make(NAMES);
  const between = await (await Authority.read(authority)).issue(["localhost"]);
  assert.equal(new X509Certificate(authority.cert).ca, true);
  assert.equal(new X509Certificate(between.cert).ca, false);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "ca.crt"), authority.cert);
  const { stdout } = spawnSync("openssl", ["x509", "-in", join(directory, "ca.crt"), "-noout", "-text"], {
    encoding: "utf8",
  });
  assert.match(stdout, /Basic Constraints: critical\s+CA:TRUE, pathlen:0\s/);
  assert.match(stdout, /Name Constraints: critical\s+Permitted:/);
  assert.match(stdout, /Key Usage: critical\s+Certificate Sign\n/);
  assert.match(stdout, /prime256v1/);
});

test("a certificate lives at most 397 days, has begun already, and does not outlive its authority", async () => {
  const now = Date.now();
  const young = await Authority.read(await Authority.make(NAMES, now));
  const days = ({ cert }: Pair) => {
    const { validFromDate, validToDate } = new X509Certificate(cert);
    assert.ok(validFromDate.getTime() <= now - DAY_MS / 2);
    return (validToDate.getTime() - validFromDate.getTime()) / DAY_MS;
  };
  assert.equal(days(await young.issue(["localhost"], now)), 397);
  const old = await Authority.read(await Authority.make(NAMES, now - 3_600 * DAY_MS));
  const last = await old.issue(["localhost"], now);
  assert.equal(
    new X509Certificate(last.cert).validToDate.getTime(),
    Math.floor(old.notAfter.getTime() / 1_000) * 1_000,
  );
});

test("two authorities of one machine have different names and keys", async () => {
  const [one, other] = [await Authority.make(NAMES), await Authority.make(NAMES)].map(
    ({ cert }) => new X509Certificate(cert),
  ) as [X509Certificate, X509Certificate];
  assert.notEqual(one.subject, other.subject);
  assert.match(one.subject, /^CN=web-chat kitchen [0-9a-f]{6}$/i);
  assert.notEqual(one.fingerprint256, other.fingerprint256);
});

test("what is no authority is refused with what is wrong", async () => {
  const authority = await Authority.make(NAMES);
  const pair = await (await Authority.read(authority)).issue(["localhost"]);
  for (const [broken, says] of [
    [pair, /no authority's/],
    [{ ...authority, key: pair.key }, /another certificate/],
    [{ ...authority, cert: "" }, /PEM/i],
    [{ ...authority, key: "-----BEGIN PRIVATE KEY-----\n" }, /./],
  ] as const)
    await assert.rejects(Authority.read(broken), says);
});

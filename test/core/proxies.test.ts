/** Whose address a request has, and whose page it comes from. */
import assert from "node:assert/strict";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { test } from "node:test";
import fc from "fast-check";
import { isIP } from "../../core/addresses.ts";
import { Proxies } from "../../core/proxies.ts";
import { holds } from "../suites/samples.ts";

const PROXY = "10.0.0.1";
const trusting = new Proxies(["loopback", "10.0.0.0/8"]);
const trustingNobody = new Proxies([]);

function asked(remoteAddress: string, headers: IncomingHttpHeaders, encrypted = false): IncomingMessage {
  return { socket: { remoteAddress, encrypted }, headers } as unknown as IncomingMessage;
}

test("the client's address is the nearest one that is no trusted proxy's", () => {
  for (const [from, forwarded, address] of [
    ["203.0.113.7", undefined, "203.0.113.7"],
    [PROXY, undefined, PROXY],
    [PROXY, "203.0.113.7", "203.0.113.7"],
    ["::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"],
    ["::1", "2001:db8::7", "2001:db8::7"],
    [PROXY, "203.0.113.7, 10.0.0.2", "203.0.113.7"],
    [PROXY, "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    // What a client writes itself stands to the left of what a proxy has seen.
    [PROXY, "198.51.100.1, 203.0.113.7", "203.0.113.7"],
    [PROXY, "127.0.0.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"],
    // Nobody trusts whoever is here.
    ["203.0.113.7", "198.51.100.1", "203.0.113.7"],
    ["203.0.113.7", "127.0.0.1", "203.0.113.7"],
    // No address: the last that was seen counts.
    [PROXY, "unknown", PROXY],
    [PROXY, "203.0.113.7:4711, 10.0.0.2", "10.0.0.2"],
    [PROXY, "", PROXY],
  ] as const)
    assert.equal(trusting.addressOf(asked(from, { "x-forwarded-for": forwarded })), address, `${from}: ${forwarded}`);
});

test("where nobody is trusted, no header changes the address", () => {
  for (const from of [PROXY, "127.0.0.1", "::1", "203.0.113.7"])
    assert.equal(trustingNobody.addressOf(asked(from, { "x-forwarded-for": "198.51.100.1" })), from);
});

test("whatever stands in the header, the answer is an address", async t => {
  await holds(
    t,
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.array(fc.ipV4()).map(String)), forwarded => {
      assert.notEqual(isIP(trusting.addressOf(asked(PROXY, { "x-forwarded-for": forwarded }))), 0);
    }),
    { numRuns: 1_000 },
  );
});

test("a connection that is gone already has no address, and no right to anything", () => {
  const gone = asked(undefined as unknown as string, { "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "a" });
  assert.equal(trusting.addressOf(gone), "");
  assert.equal(
    trusting.isFromOwnPage({ ...gone, headers: { ...gone.headers, origin: "http://a" } } as never, []),
    false,
  );
});

const HOST = { host: "node:5002" };
const AT_PROXY = { ...HOST, "x-forwarded-host": "chat.example", "x-forwarded-proto": "https" };

// biome-ignore format: a table
const PAGES: [what: string, from: string, headers: IncomingHttpHeaders, encrypted: boolean, trusting: boolean, nobody: boolean][] = [
  ["no page", PROXY, {}, false, true, true],
  ["a page of the host that was asked", PROXY, { ...HOST, origin: "http://node:5002" }, false, true, true],
  ["a page of another port", PROXY, { ...HOST, origin: "http://node:5003" }, false, false, false],
  ["a page of another host", PROXY, { ...HOST, origin: "https://evil.example" }, false, false, false],
  ["a page without a host", PROXY, { ...HOST, origin: "null" }, false, false, false],
  ["a page of the public host", "203.0.113.7", { ...HOST, origin: "https://public.example" }, false, true, true],
  ["a page of the host that a proxy was asked for", PROXY, { ...AT_PROXY, origin: "https://chat.example" }, false, true, false],
  ["the same through two proxies", PROXY, { ...AT_PROXY, "x-forwarded-host": "Chat.example, inner", origin: "https://chat.example" }, false, true, false],
  ["the same, forged by a client", "203.0.113.7", { ...AT_PROXY, origin: "https://chat.example" }, false, false, false],
  ["a client that is no browser, and says http over TLS", PROXY, { ...HOST, origin: "http://node:5002" }, true, true, true],
  ["an encrypted page of a node that is encrypted", PROXY, { ...HOST, origin: "https://node:5002" }, true, true, true],
  ["an encrypted page behind a proxy that says nothing", PROXY, { host: "chat.example", origin: "https://chat.example" }, false, true, true],
  ["a page of the port that its protocol has anyway", PROXY, { host: "chat.example:443", origin: "https://chat.example" }, true, true, true],
  ["the same, as a proxy says it", PROXY, { ...AT_PROXY, "x-forwarded-host": "chat.example:443", origin: "https://chat.example" }, false, true, false],
  ["a page of that port by the other protocol", PROXY, { host: "chat.example:80", origin: "https://chat.example" }, true, false, false],
  ["a page of no host that was asked", PROXY, { origin: "http://undefined" }, false, false, false],
  ["a host that cannot be read", PROXY, { host: "a b", "x-forwarded-host": "", "x-forwarded-proto": "://", origin: "https://chat.example" }, false, false, false],
];

for (const [what, from, headers, encrypted, whereTrusted, whereNot] of PAGES)
  test(`${what} is ${whereTrusted ? "admitted" : "refused"}; where nobody is trusted ${whereNot ? "admitted" : "refused"}`, () => {
    const request = asked(from, headers, encrypted);
    assert.equal(trusting.isFromOwnPage(request, ["public.example"]), whereTrusted);
    assert.equal(trustingNobody.isFromOwnPage(request, ["public.example"]), whereNot);
  });

test("a page of another node of the cluster is admitted by exactly the address that this node says of itself", () => {
  const siblings = () => ["http://attic:5003", "https://chat.example/chat", "http://localhost:5003"];
  for (const [origin, admitted] of [
    ["http://attic:5003", true],
    ["https://attic:5003", false],
    ["http://attic:5004", false],
    ["http://attic", false],
    ["http://attic:5003.evil.example", false],
    ["https://chat.example", true],
    ["http://chat.example", false],
    ["https://evil.chat.example", false],
    ["http://localhost:5003", true],
    ["http://localhost:3000", false],
    ["null", false],
    ["https://evil.example", false],
  ] as const)
    assert.equal(trustingNobody.isFromOwnPage(asked(PROXY, { ...HOST, origin }), [], siblings), admitted, origin);
});

test("a visitor is who asked for which name, from where, and how its page came", () => {
  const visitor = (from: string, headers: IncomingHttpHeaders, proxies = trustingNobody) =>
    Object.values(proxies.visitorOf(asked(from, headers)));
  assert.deepEqual(visitor("127.0.0.1", { host: "localhost:5002" }), ["localhost", "here", false]);
  assert.deepEqual(visitor("::1", { host: "[::1]:5002", origin: "http://[::1]:5002" }), ["::1", "here", false]);
  assert.deepEqual(visitor("10.0.0.9", { host: "10.0.0.1" }), ["10.0.0.1", "inside", false]);
  assert.deepEqual(visitor("203.0.113.7", { host: "chat.example", origin: "https://chat.example" }), [
    "chat.example",
    "outside",
    true,
  ]);
  assert.deepEqual(visitor(PROXY, { ...AT_PROXY, "x-forwarded-for": "203.0.113.7" }, trusting), [
    "chat.example",
    "outside",
    false,
  ]);
  for (const host of [undefined, "", "a b", "://"])
    assert.deepEqual(visitor("", { host }), ["", "outside", false], String(host));
});

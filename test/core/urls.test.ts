/** Which addresses of nodes' pages a node says of itself, and whom it tells of which. */
import assert from "node:assert/strict";
import { hostname } from "node:os";
import test from "node:test";
import fc from "fast-check";
import { isPageUrl } from "../../core/addresses.ts";
import { readConfig } from "../../core/config.ts";
import type { Given } from "../../core/settings.ts";
import { ownUrls, urlsFor, type Visitor } from "../../core/urls.ts";
import { holds } from "../suites/samples.ts";

const own = (given: Given, at = { port: 5002, secure: false }) => ownUrls(readConfig(given), at);

test("a node that listens everywhere says every name and address that it has", () => {
  const urls = own({ BASE_PATH: "/chat" });
  for (const name of ["localhost", "127.0.0.1", "[::1]", hostname().toLowerCase()])
    assert.ok(urls.includes(`http://${name}:5002/chat`), name);
  assert.ok(urls.length <= 48 && urls.every(isPageUrl));
});

test("a node that listens at one address says that one, and a public one alone", () => {
  assert.deepEqual(own({ HOST: "192.168.1.5" }), ["http://192.168.1.5:5002"]);
  assert.deepEqual(own({ HOST: "fd00::5" }, { port: 443, secure: true }), ["https://[fd00::5]"]);
  assert.deepEqual(own({ HOST: "127.0.0.1" }), ["http://127.0.0.1:5002", "http://localhost:5002"]);
  assert.deepEqual(own({ PUBLIC_URL: "https://Chat.Example:443/chat/?x#y", HOST: "10.0.0.1" }), [
    "https://chat.example/chat",
  ]);
});

test("an address of a page is written in one way, and has nothing behind its path", async t => {
  for (const url of ["http://a", "https://a:5002/chat", "http://[::1]:5002", "http://10.0.0.1"])
    assert.equal(isPageUrl(url), true, url);
  for (const url of [
    "http://a/",
    "HTTP://a",
    "http://A",
    "http://a:80",
    "http://u:p@a",
    "http://a?b",
    "http://a#b",
    "ftp://a",
    "javascript:alert(1)",
    "//a",
    "a",
    "",
    `http://${"a".repeat(250)}`,
  ])
    assert.equal(isPageUrl(url), false, url);
  await holds(
    t,
    fc.property(fc.oneof(fc.string(), fc.webUrl()), text => void isPageUrl(text)),
    { numRuns: 500 },
  );
});

const LAPTOP = ["http://localhost:5003", "http://127.0.0.1:5003", "http://laptop:5003", "http://192.168.1.7:5003"];
const told = (visitor: Partial<Visitor>, urls: string[], isHere = false) =>
  urlsFor({ host: "localhost", from: "here", encrypted: false, ...visitor }, [{ id: "b", name: "b", urls, isHere }])[0]
    ?.urls;

test("who came over this machine's own name reaches the nodes of this machine in the same way", () => {
  assert.deepEqual(told({}, LAPTOP, true)?.[0], "http://localhost:5003");
  assert.deepEqual(told({ host: "127.0.0.1" }, LAPTOP, true)?.[0], "http://127.0.0.1:5003");
  // Elsewhere that name means another machine.
  assert.deepEqual(told({}, LAPTOP), ["http://192.168.1.7:5003", "http://laptop:5003"]);
  assert.deepEqual(told({ host: "chat.example" }, LAPTOP, true), ["http://laptop:5003", "http://192.168.1.7:5003"]);
  assert.deepEqual(told({ from: "inside" }, LAPTOP, true)?.includes("http://localhost:5003"), false);
});

test("on a network the address nearest to the one that was asked comes first", () => {
  const urls = ["http://10.8.0.7:5003", "http://kitchen:5003", "http://[fd00::7]:5003", "http://192.168.1.7:5003"];
  const inside = { from: "inside" } as const;
  assert.equal(told({ ...inside, host: "192.168.1.5" }, urls)?.[0], "http://192.168.1.7:5003");
  assert.equal(told({ ...inside, host: "10.8.0.5" }, urls)?.[0], "http://10.8.0.7:5003");
  assert.equal(told({ ...inside, host: "fd00::5" }, urls)?.[0], "http://[fd00::7]:5003");
  assert.equal(told({ ...inside, host: "attic" }, urls)?.[0], "http://kitchen:5003");
  assert.equal(told({ ...inside, host: "attic" }, urls)?.length, 3, "each that leads nowhere costs time");
});

test("a stranger is not told of what is inside, and an encrypted page of nothing that is not", () => {
  const urls = [
    "http://10.0.0.7:5003",
    "http://kitchen:5003",
    "http://kitchen.local",
    "https://b.example",
    "http://c.example",
  ];
  assert.deepEqual(told({ host: "a.example", from: "outside" }, urls), ["https://b.example", "http://c.example"]);
  assert.deepEqual(told({ host: "a.example", from: "outside", encrypted: true }, urls), ["https://b.example"]);
  // A browser takes its own machine for safe.
  assert.deepEqual(told({ encrypted: true }, LAPTOP, true), ["http://localhost:5003", "http://127.0.0.1:5003"]);
});

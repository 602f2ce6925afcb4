import assert from "node:assert/strict";
import test from "node:test";
import { renderUnicodeCompact } from "uqr";
import { greeting } from "../../core/greeting.ts";

const alone = {
  url: "http://localhost:5002",
  dataDir: "/data",
  nodes: () => [{ id: "a", name: "kitchen" }],
  authority: undefined,
};
const config = { host: "", publicUrl: undefined, name: "kitchen", seeds: [] };
const about = { node: alone, config, version: "1.2.3", warnings: [], colour: false };

test("a terminal is told the name, the version, where to open the page, the cluster and the data", () => {
  const text = greeting({ ...about, hosts: ["192.168.1.7", "fe80::1", "203.0.113.7"] });
  assert.match(text, /web-chat 1\.2\.3/);
  assert.match(text, /Open {5}http:\/\/localhost:5002\n {11}http:\/\/192\.168\.1\.7:5002\n/);
  assert.match(text, /Cluster {2}kitchen alone/);
  assert.match(text, /Data {5}\/data\n/);
  assert.ok(!text.includes("203.0.113.7"), "a public address is not offered unasked");
});

test("the address of the LAN stands there as a QR code, and no line is wider than a terminal", () => {
  const text = greeting({ ...about, hosts: ["192.168.1.7"] });
  const code = text.split("\n").filter(line => /[█▀▄]/.test(line));
  assert.ok(code.length > 12, text);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  assert.ok(!/[█▀▄]/.test(greeting({ ...about, hosts: [] })), "nothing to scan where there is no such address");
});

test("the address that a proxy has is the one to open, and the one that is scanned", () => {
  const text = greeting({
    ...about,
    config: { ...config, publicUrl: new URL("https://chat.example/") },
    hosts: ["10.0.0.1"],
  });
  assert.match(text, /https:\/\/chat\.example\n/);
  assert.ok(!text.includes("10.0.0.1"));
});

test("a node that listens on one address offers that one alone", () => {
  const on = (host: string) => greeting({ ...about, config: { ...config, host }, hosts: ["10.0.0.1"] });
  assert.match(on("192.168.1.7"), /http:\/\/192\.168\.1\.7:5002/);
  assert.match(on("fd00::7"), /http:\/\/\[fd00::7\]:5002/);
  for (const host of ["127.0.0.1", "::1", "localhost"]) assert.ok(!/[█▀▄]/.test(on(host)), host);
});

test("peers that are there are named, and those that are looked for", () => {
  const nodes = () => [
    { id: "a", name: "kitchen" },
    { id: "b", name: "attic" },
  ];
  assert.match(greeting({ ...about, node: { ...alone, nodes }, hosts: [] }), /2 nodes: kitchen, attic/);
  const seeds = [{ host: "attic.lan" }];
  assert.match(greeting({ ...about, config: { ...config, seeds }, hosts: [] }), /looking for attic\.lan/);
});

test("warnings are told, with colour where the terminal has it and without where it has none", () => {
  const warnings = ["the bus is open"];
  const plain = greeting({ ...about, warnings, hosts: ["10.0.0.1"] });
  assert.match(plain, /Warning {2}the bus is open/);
  assert.ok(!plain.includes("\x1b"));
  assert.ok(greeting({ ...about, warnings, colour: true, hosts: ["10.0.0.1"] }).includes("\x1b[33mWarning"));
});

test("with a certificate of its own a node shows its whole fingerprint, and leads phones to where they install it", () => {
  const bytes = Array.from({ length: 32 }, (_, byte) => byte.toString(16).padStart(2, "0").toUpperCase());
  const authority = { certificate: "", fingerprint: bytes.join(":") };
  const node = { ...alone, url: "https://localhost:5002/chat", authority };
  const lines = greeting({ ...about, node, hosts: ["192.168.1.7"] }).split("\n");
  assert.ok(lines.some(line => /^ {2}Certificate {2}http:\/\/192\.168\.1\.7:5002\/chat\/ca$/.test(line)));
  const shown = lines.filter(line => /^ +([0-9A-F]{2}:){15}[0-9A-F]{2}$/.test(line)).map(line => line.trim());
  assert.equal(shown.join(":"), authority.fingerprint);
  const code = renderUnicodeCompact("http://192.168.1.7:5002/chat/ca", { border: 2 }).split("\n");
  assert.ok(lines.join("\n").includes(code.map(row => `  ${row}`).join("\n")));
  for (const line of lines) assert.ok(line.length <= 80, line);
});

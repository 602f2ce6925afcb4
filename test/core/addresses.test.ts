import assert from "node:assert/strict";
import test from "node:test";
import { isHost, isPrivate, networkOf } from "../../core/addresses.ts";

test("an address of either protocol or a host's name is one, anything else is none", () => {
  const long = Array(4).fill("x".repeat(63)).join(".").slice(2);
  assert.equal(long.length, 253);
  for (const host of ["192.0.2.1", "::1", "2001:db8::7", "chat-b", "CHAT.example", "7", "a.7", "x".repeat(63), long])
    assert.ok(isHost(host), host);
  const none = [
    "",
    "a b",
    "*",
    "_x",
    "chat_b",
    "-x",
    "x-",
    "a..b",
    ".a",
    "a.",
    "ho/st",
    "ä",
    "a\n",
    "a:1",
    "[::1]",
    "::1::",
  ];
  for (const host of [...none, "x".repeat(64), `x${long}`]) assert.ok(!isHost(host), JSON.stringify(host));
});

test("the addresses of one IPv6 household are one network, each IPv4 address is its own", () => {
  for (const [address, network] of [
    ["2001:db8:0:1::1", "2001:db8:0:1"],
    ["2001:db8:0:1:a:b:c:d", "2001:db8:0:1"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:db8:0:1:ffff::", "2001:db8:0:1"],
    ["::1", "0:0:0:0"],
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["", ""],
  ] as const)
    assert.equal(networkOf(address), network, address);
});

test("loopback, private and link-local addresses are private, all others are not", () => {
  const table: Record<string, boolean> = {
    "127.0.0.1": true,
    "127.255.255.255": true,
    "10.0.0.0": true,
    "10.255.255.255": true,
    "172.16.0.0": true,
    "172.31.255.255": true,
    "192.168.0.0": true,
    "192.168.255.255": true,
    "169.254.1.1": true,
    "::1": true,
    "fc00::1": true,
    "fdff:ffff::1": true,
    "fe80::1": true,
    "fe80::1%eth0": true,
    "febf::1": true,
    "::ffff:127.0.0.1": true,
    "::FFFF:10.1.2.3": true,
    "::ffff:7f00:1": true,
    "9.255.255.255": false,
    "11.0.0.0": false,
    "172.15.255.255": false,
    "172.32.0.0": false,
    "192.167.255.255": false,
    "192.169.0.0": false,
    "128.0.0.0": false,
    "0.0.0.0": false,
    "8.8.8.8": false,
    "255.255.255.255": false,
    "::": false,
    "::2": false,
    "fbff::1": false,
    "fe00::1": false,
    "fec0::1": false,
    "2001:db8::1": false,
    "::ffff:8.8.8.8": false,
    "::ffff:808:808": false,
    "::10.0.0.1": false,
    "": false,
    localhost: false,
    "10.0.0": false,
    "10.0.0.1.evil.example": false,
    "127.0.0.1:80": false,
  };
  for (const [address, expected] of Object.entries(table)) assert.equal(isPrivate(address), expected, address);
});

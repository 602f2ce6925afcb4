/** A message type for files, and how tests send and get them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { defineMessage, defineServer, Reject } from "../../core/plugin.ts";
import plugins from "../../plugins/server.ts";
import { put } from "./blobs.ts";
import type { Client } from "./client.ts";

/** Refers to blobs, and to nothing else. */
export const file = defineServer(
  defineMessage({
    type: "file",
    version: 1,
    kind: "log",
    role: "row",
    parse: input => input as { hashes: string[] },
    summary: () => "a file",
    blobs: ({ hashes }) => hashes,
  }),
  {
    async receive(body, { blob }) {
      for (const hash of body.hashes) if (!(await blob(hash))) throw new Reject("not-found");
      return body;
    },
  },
);

export const typesWithFile = [...plugins, file];

type AtNode = { url: string };

/** Uploads it, random bytes unless given; returns its hash. */
export async function upload(node: AtNode, { welcome }: Client, bytes: Uint8Array = randomBytes(100)): Promise<string> {
  const { answer } = await put(node.url, welcome.token, bytes);
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return answer.hash;
}

/** What a node answers to who asks for a blob. */
export async function download(node: AtNode, { welcome }: Client, hash: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${node.url}/blobs/${hash}`, {
    headers: { authorization: `Bearer ${welcome.token}`, ...headers },
  });
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
}

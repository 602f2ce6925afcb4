/** Why a cluster does not let a node go on, in words for whoever runs it. */
import { Reject } from "../errors.ts";
import { textOf } from "./address.ts";
import type { Twin } from "./membership.ts";

/** What is acked here and was not replicated is nowhere else. */
const takeAlong = (to: string) =>
  `\`web-chat export\` here and \`web-chat import\` ${to} take along what only this one holds`;

/** Another process runs on a copy of this node's data directory, and was first. */
export function duplicate({ info: { name }, address }: Twin): Reject {
  const where = address ? ` at ${textOf(address)}` : "";
  return new Reject(
    "node-duplicate",
    `the node “${name}”${where} runs on a copy of this data directory, and was there first: start this one with an empty DATA_DIR; ${takeAlong("there")}`,
  );
}

/** An operator removed this node for good. */
export function removed(): Reject {
  return new Reject(
    "node-forgotten",
    `this node was removed from its cluster with \`web-chat forget\`: start it with an empty DATA_DIR to join anew; ${takeAlong("on another node")}`,
  );
}

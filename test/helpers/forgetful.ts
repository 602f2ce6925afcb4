#!/usr/bin/env node
/** A node that breaks the first promise: now and then it acks a message that it has not stored. */
import { Log } from "../../core/log/log.ts";

const FORGETS_ONE_IN = 25;
const { append } = Log.prototype;
let texts = 0;

Log.prototype.append = async function (items) {
  const [item] = items;
  if (item?.type !== "text" || "seq" in item || ++texts % FORGETS_ONE_IN > 0) return append.call(this, items);
  return [{ status: "known", place: { hlc: item.hlc, origin: this.origin ?? "", n: texts, seq: texts } }];
};
await import("../../core/main.ts");

import * as v from "valibot";
import { defineMessage, parseWith } from "../../core/plugin.ts";

export const MIN_MS = 500;
export const MAX_MS = 15 * 60_000;
const MIN_PEAKS = 64;
const MAX_PEAKS = 128;
const MAX_PEAK = 255;

const within = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

const body = v.object({
  blob: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "the recording is named by its hash")),
  mime: v.picklist(["audio/webm", "audio/ogg", "audio/mp4"]),
  durationMs: within(MIN_MS, MAX_MS),
  /** How loud it is, from its beginning to its end. */
  peaks: v.pipe(v.array(within(0, MAX_PEAK)), v.minLength(MIN_PEAKS), v.maxLength(MAX_PEAKS)),
});

export type Recording = v.InferOutput<typeof body>;

export default defineMessage<Recording>({
  type: "voice",
  version: 1,
  kind: "log",
  role: "row",
  parse: parseWith(body),
  blobs: ({ blob }) => [blob],
  summary({ durationMs }) {
    const seconds = Math.round(durationMs / 1_000);
    return `Voice message, ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  },
});

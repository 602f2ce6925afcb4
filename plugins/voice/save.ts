/** Saves a recording where the browser keeps what it downloads, named after who said it and when. */
import { failed, type Voice, type VoiceShell } from "./player.ts";

const EXTENSIONS = { "audio/webm": "webm", "audio/ogg": "ogg", "audio/mp4": "m4a" };
/** Until then every browser has begun to write it. */
const RELEASE_MS = 60_000;

export async function save({ id, author, at, body }: Voice, shell: VoiceShell): Promise<void> {
  failed.value = undefined;
  try {
    // Of another origin, as a node's, a link would open it instead.
    const answer = await fetch(shell.blobUrl(body.blob));
    if (!answer.ok) throw new Error(answer.statusText);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${author.name} ${when(at)}.${EXTENSIONS[body.mime]}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_MS);
  } catch {
    failed.value = { id, why: "unsaved" };
  }
}

/** As files are named: it sorts, and holds no character that a file system forbids. */
function when(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16).replace("T", " ").replace(":", ".");
}

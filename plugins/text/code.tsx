/** A block of code, to read and to take along. */
import { useState } from "preact/hooks";

export type Words = { copy: string; copied: string };

const SHOWN_MS = 2_000;

export function Code({ text, words }: { text: string; words: Words }) {
  const [copied, setCopied] = useState(false);
  const take = async () => {
    if (!(await copy(text))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return (
    <div class="text-code">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable without a mouse */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <button type="button" class="small-button" onClick={take}>
        {copied ? words.copied : words.copy}
      </button>
    </div>
  );
}

/** Returns whether it worked. Without a secure context there is no clipboard; the old way works everywhere. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "text-clipboard";
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}

/** The buttons of plugins beside the composers, and the dialog that each opens. */
import { useEffect, useState } from "preact/hooks";
import type { AnyClientPlugin } from "../core/plugin.ts";
import { Dialog } from "./dialog.tsx";
import { language } from "./i18n.ts";
import { plugins } from "./registry.ts";
import type { Room } from "./room.ts";
import { shellOf } from "./shell.ts";
import { Failed, Slot } from "./slot.tsx";
import "./tools.css";

/** With Ctrl or Alt, so that it never is a letter that somebody writes. */
const SHORTCUT = /^(Ctrl\+|Alt\+|Ctrl\+Alt\+)(Shift\+)?[A-Z0-9]$/;
/** What the page uses itself. */
const TAKEN = ["Ctrl+K", "Ctrl+Shift+F"];

/** The tools that a shortcut opens, by its name. */
export const shortcuts: ReadonlyMap<string, AnyClientPlugin> = given();

function given(): Map<string, AnyClientPlugin> {
  const tools = new Map<string, AnyClientPlugin>();
  for (const plugin of plugins) {
    const shortcut = plugin.hooks.tool?.shortcut;
    if (shortcut === undefined) continue;
    const { type } = plugin.message;
    if (!SHORTCUT.test(shortcut)) console.warn(`${type}: “${shortcut}” is no shortcut; Alt+P is one`);
    else if (TAKEN.includes(shortcut)) console.warn(`${type}: the page itself uses ${shortcut}`);
    else if (tools.has(shortcut)) console.warn(`${type}: ${tools.get(shortcut)?.message.type} uses ${shortcut}`);
    else tools.set(shortcut, plugin);
  }
  return tools;
}

/** By the place of the key: with Option a Mac makes another letter of it. */
function shortcutOf({ ctrlKey, altKey, shiftKey, metaKey, code }: KeyboardEvent): string {
  const key = code.replace(/^(Key|Digit)/, "");
  return `${metaKey ? "Meta+" : ""}${ctrlKey ? "Ctrl+" : ""}${altKey ? "Alt+" : ""}${shiftKey ? "Shift+" : ""}${key}`;
}

export function labelOf(plugin: AnyClientPlugin): string {
  return shellOf(plugin).t(plugin.hooks.tool?.label ?? "");
}

export function Tools({ room }: { room: Room }) {
  const [open, setOpen] = useState<AnyClientPlugin | undefined>(undefined);
  language.value;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const plugin = shortcuts.get(shortcutOf(event));
      if (!plugin || event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      setOpen(plugin);
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
  return (
    <div class="tools">
      {plugins.map(plugin => {
        const { tool } = plugin.hooks;
        return (
          tool && (
            <button
              key={plugin.message.type}
              type="button"
              class="icon-button"
              aria-label={labelOf(plugin)}
              title={[labelOf(plugin), tool.shortcut].filter(Boolean).join(" · ")}
              aria-haspopup="dialog"
              onClick={() => setOpen(plugin)}
            >
              <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
                <path d={tool.icon} />
              </svg>
            </button>
          )
        );
      })}
      {open && <Opened plugin={open} room={room} close={() => setOpen(undefined)} />}
    </div>
  );
}

function Opened({ plugin, room, close }: { plugin: AnyClientPlugin; room: Room; close(): void }) {
  const Form = plugin.hooks.tool?.Form;
  return (
    <Dialog title={labelOf(plugin)} onClose={close}>
      <Slot plugin={plugin} fallback={<Failed plugin={plugin} />}>
        {Form && <Form shell={shellOf(plugin)} room={room.id} roomName={room.name.value} close={close} />}
      </Slot>
    </Dialog>
  );
}

/** What plugins show beside the timeline; above it, as a sheet, where the screen is narrow. */
import type { AnyClientPlugin } from "../core/plugin.ts";
import { lazy } from "./lazy.tsx";
import type { Room } from "./room.ts";
import { shellOf } from "./shell.ts";
import { Failed, Slot } from "./slot.tsx";
import { openPanels, panels, togglePanel, wide } from "./view.ts";

const Sheet = lazy(() => import("./dialog.tsx").then(({ Dialog }) => Dialog));

export function Panels({ room }: { room: Room }) {
  const open = panels().filter(({ message }) => openPanels.value.includes(message.type));
  if (open.length === 0) return null;
  if (wide.value)
    return (
      <aside class="panels" aria-label={open.map(titleOf).join(", ")}>
        {open.map(plugin => (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable without a mouse
          <section key={plugin.message.type} class="panel" tabIndex={0} aria-label={titleOf(plugin)}>
            <h2>{titleOf(plugin)}</h2>
            <Content plugin={plugin} room={room} />
          </section>
        ))}
      </aside>
    );
  return open.map(plugin => (
    <Sheet
      key={plugin.message.type}
      title={titleOf(plugin)}
      kind="sheet"
      onClose={() => togglePanel(plugin.message.type)}
    >
      <Content plugin={plugin} room={room} />
    </Sheet>
  ));
}

function titleOf(plugin: AnyClientPlugin): string {
  return shellOf(plugin).t(plugin.hooks.panel?.title ?? "");
}

function Content({ plugin, room }: { plugin: AnyClientPlugin; room: Room }) {
  const Component = plugin.hooks.panel?.Component;
  return (
    <Slot plugin={plugin} fallback={<Failed plugin={plugin} />}>
      {Component && <Component shell={shellOf(plugin)} people={room.people.value} />}
    </Slot>
  );
}

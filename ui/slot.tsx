/** What the page puts around each thing that a plugin shows: its styles end here, and so does its failure. */
import type { ComponentChildren } from "preact";
import type { AnyClientPlugin } from "../core/plugin.ts";
import { Boundary } from "./boundary.tsx";
import { folderOf } from "./registry.ts";

type Props = { plugin: AnyClientPlugin; fallback?: ComponentChildren; children: ComponentChildren };

export function Slot({ plugin: { message }, fallback, children }: Props) {
  return (
    <div data-plugin={folderOf(message.type)}>
      <Boundary plugin={message.type} fallback={fallback}>
        {children}
      </Boundary>
    </div>
  );
}

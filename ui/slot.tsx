/** What the page puts around each thing that a plugin shows: its styles end here, and so does its failure. */
import type { ComponentChildren } from "preact";
import type { AnyClientPlugin } from "../core/plugin.ts";
import { Boundary } from "./boundary.tsx";
import { t } from "./i18n.ts";
import { folderOf } from "./registry.ts";

type Props = { plugin: AnyClientPlugin; fallback?: ComponentChildren; children: ComponentChildren };

/** What stands where a plugin was asked for by the reader, and failed. */
export function Failed({ plugin: { message } }: Pick<Props, "plugin">) {
  return <p role="alert">{t("pluginFailed", { name: folderOf(message.type) })}</p>;
}

export function Slot({ plugin: { message }, fallback, children }: Props) {
  return (
    <div data-plugin={folderOf(message.type)}>
      <Boundary plugin={message.type} fallback={fallback}>
        {children}
      </Boundary>
    </div>
  );
}

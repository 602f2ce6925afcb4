import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { defineClient } from "../../core/plugin.ts";
import { record } from "./history.ts";
import status from "./message.ts";
import type { StatusShell, System } from "./panel.tsx";

/** The panel's code, loaded when it is first opened. */
const loaded = signal<typeof System | undefined>(undefined);

/** Those of the panel come with it. */
const strings = { en: { system: "System" }, zh: { system: "系统" } };

function Panel({ shell }: { shell: StatusShell }) {
  useEffect(() => {
    import("./panel.tsx").then(
      ({ System, words }) => {
        Object.assign(strings.en, words.en);
        Object.assign(strings.zh, words.zh);
        loaded.value = System;
      },
      () => {},
    );
  }, []);
  return loaded.value ? <loaded.value shell={shell} /> : null;
}

export default defineClient(status, {
  panel: { title: "system", Component: Panel },
  started: shell =>
    record(() => {
      const figures = shell.values.map(({ body }) => body);
      return {
        messagesPerSecond: figures.reduce((sum, node) => sum + node.messagesPerSecond, 0),
        clients: figures.reduce((sum, node) => sum + node.clients, 0),
      };
    }),
  strings,
});

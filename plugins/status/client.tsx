import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { defineClient } from "../../core/plugin.ts";
import { record } from "./history.ts";
import status from "./message.ts";
import type { StatusShell, System } from "./panel.tsx";

/** The panel's code, loaded when it is first opened. */
const loaded = signal<typeof System | undefined>(undefined);

function Panel({ shell }: { shell: StatusShell }) {
  useEffect(() => {
    import("./panel.tsx").then(
      ({ System }) => {
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
  strings: {
    en: {
      system: "System",
      nothing: "No figures yet.",
      graph: "{up} of {all} nodes are up",
      down: "down",
      thisNode: "this node",
      busOpen: "The bus admits every host with a private address.",
      clockAhead: "The clock of {name} is {time} ahead of this node's.",
      clockBehind: "The clock of {name} is {time} behind this node's.",
      rate: "Messages/s",
      clients: "Clients",
      stored: "Stored on",
      uptime: "Uptime",
      version: "Version",
      memory: "Memory",
      lag: "Lag",
      days: "{n} d",
      hours: "{n} h",
      minutes: "{n} min",
      seconds: "{n} s",
    },
    zh: {
      system: "系统",
      nothing: "还没有数据。",
      graph: "{all} 个节点中 {up} 个在线",
      down: "已断开",
      thisNode: "当前节点",
      busOpen: "节点总线接受所有私有地址的主机。",
      clockAhead: "{name} 的时钟比当前节点快 {time}。",
      clockBehind: "{name} 的时钟比当前节点慢 {time}。",
      rate: "消息/秒",
      clients: "连接数",
      stored: "已存于",
      uptime: "运行时间",
      version: "版本",
      memory: "内存",
      lag: "延迟",
      days: "{n} 天",
      hours: "{n} 小时",
      minutes: "{n} 分",
      seconds: "{n} 秒",
    },
  },
});

import { defineClient } from "../../core/plugin.ts";
import redact from "./message.ts";

export default defineClient(redact, {
  action: {
    label: "delete",
    confirm: "confirm",
    offered: ({ author }, { me }) => author.id === me.id,
    run: ({ id, room }, shell) => shell.send({}, { room, ref: id }),
  },
  strings: {
    en: { delete: "Delete", confirm: "The message is emptied for everybody, on every node. This cannot be undone." },
    zh: { delete: "删除", confirm: "这条消息将在所有节点上为所有人清空，无法恢复。" },
  },
});

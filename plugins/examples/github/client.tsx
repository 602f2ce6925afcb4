import { defineClient, type Message, type Shell } from "web-chat/plugin";
import { DEEDS, github, type News } from "./message.ts";
import "./client.css";

type RowProps = { shell: Shell<News>; message: Message<News> & { body: News } };

function Row({ shell, message: { body } }: RowProps) {
  const { repository, by, did, what, title, url } = body;
  return (
    <p class="news">
      <small class="quiet">{repository}</small>
      <span>
        <b dir="auto">{by}</b> {shell.t(did, { what })}
      </span>
      <a href={url} target="_blank" rel="noopener noreferrer" dir="auto">
        {title || url}
      </a>
    </p>
  );
}

export default defineClient(github, {
  Row,
  strings: {
    en: DEEDS,
    zh: {
      push: "推送到 {what}",
      "issues opened": "新建了议题 {what}",
      "issues closed": "关闭了议题 {what}",
      "issues reopened": "重新打开了议题 {what}",
      "pull_request opened": "发起了拉取请求 {what}",
      "pull_request closed": "关闭了拉取请求 {what}",
      "pull_request merged": "合并了拉取请求 {what}",
      "pull_request reopened": "重新打开了拉取请求 {what}",
      "release published": "发布了 {what}",
    },
  },
});

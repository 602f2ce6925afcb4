import { defineClient, type Message } from "web-chat/plugin";
import { github, type News } from "./message.ts";
import "./client.css";

function Row({ message: { body } }: { message: Message<News> & { body: News } }) {
  return (
    <p class="news">
      <b dir="auto">{body.by}</b> {body.what}{" "}
      <a href={body.url} target="_blank" rel="noopener noreferrer" dir="auto">
        {body.title || body.url}
      </a>{" "}
      <small>{body.repository}</small>
    </p>
  );
}

export default defineClient(github, { Row });

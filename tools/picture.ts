/** Takes the README's picture of the real page: three nodes, four people, one of them in a browser. */
import { join } from "node:path";
import { ROOT, Stage, weigh } from "./picture/stage.ts";

const PICTURE = join(ROOT, "ui/picture.png");
const MAX_BYTES = 200_000;

const TALK: [string, string][] = [
  ["raj", "Morning! The release candidate is on all three nodes."],
  ["daming", "早上好。我这边测试全部通过 ✅"],
  [
    "zoe",
    "I pulled the plug on `node-b` for five minutes, and nothing was lost:\n- 312 messages **caught up**\n- every one of them once, in order",
  ],
  ["raj", "Nobody noticed 😄 The script, for the notes:\n```sh\nPORT=5003 ZMQ_HOST=node-a web-chat\n```"],
  ["daming", "太好了。我们今天发布？"],
];

await Stage.open(async stage => {
  const a = await stage.start("node-a");
  const peers = { ZMQ_HOST: `127.0.0.1:${a.zmqPort}` };
  const [b, c] = [await stage.start("node-b", peers), await stage.start("node-c", peers)];
  const people = {
    raj: await stage.connect(b, "Raj"),
    daming: await stage.connect(b, "大明"),
    zoe: await stage.connect(c, "Zoë"),
  };
  await people.raj.emitWithAck("chat:room", { name: "ops" });
  await people.raj.emitWithAck("chat:room", { name: "设计" });

  const size = { viewport: { width: 1180, height: 720 }, deviceScaleFactor: 1.4 };
  const page = await stage.page(a, "Ana", { ...size, locale: "en" });
  for (const [who, text] of TALK) {
    await people[who as keyof typeof people].emitWithAck("text", { room: "lobby", body: { text } });
    await page.getByRole("log").getByRole("article").last().waitFor();
  }
  const composer = page.getByRole("textbox", { name: /^Message/ });
  await composer.fill("Yes. Shipping it **now** → https://chat.example/notes");
  await composer.press("Enter");
  await page.getByText("Stored on another node too").first().waitFor({ state: "attached" });
  await page.getByRole("img", { name: "3 of 3 nodes are up" }).waitFor();
  // Until every node has said how it is a few times, the figures and their curves are empty.
  await page.waitForTimeout(8_000);
  await people.daming.emitWithAck("typing", { room: "lobby", body: { typing: true } });
  await page.getByText("大明 is typing…").waitFor();
  await page.screenshot({ path: PICTURE });
});
weigh(PICTURE, MAX_BYTES);

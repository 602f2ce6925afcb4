/** Takes a picture of each example plugin: what two people see of it, in English and in Chinese, in the light and in the dark. */
import { createHmac } from "node:crypto";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Socket } from "socket.io-client";
import { ROOT, Stage, weigh } from "./stage.ts";

const EXAMPLES = join(ROOT, "plugins/examples");
const MAX_BYTES = 60_000;
const SIZE = { viewport: { width: 720, height: 900 } };
const SECRET = "of the picture only";

type Cast = { url: string; people: Record<"raj" | "daming" | "zoe", Socket> };
type Point = readonly [x: number, y: number];

/** What happens in each, and how many rows come of it. */
const SCENES: Record<string, (cast: Cast) => Promise<number>> = {
  async poll({ people: { raj, daming, zoe } }) {
    const answers = ["soup", "rice bowl", "only coffee ☕"];
    const ref = await send(raj, "poll", { question: "What shall we have for lunch?", answers });
    for (const [person, choice] of [
      [raj, 1],
      [daming, 1],
      [zoe, 2],
    ] as const)
      await send(person, "poll.vote", { choice }, ref);
    return 1;
  },

  async dice({ people: { raj, daming, zoe } }) {
    await send(raj, "dice", { dice: "5d6" });
    await send(daming, "dice", { dice: "2d6" });
    await send(zoe, "dice", { dice: "3d20" });
    return 3;
  },

  async whiteboard({ people: { raj, daming, zoe } }) {
    const ref = await send(raj, "whiteboard", { title: "Where the new tree goes" });
    const draw = (person: Socket, colour: string, width: number, points: readonly Point[]) =>
      send(person, "whiteboard.stroke", { began: began++, colour, width, points }, ref);
    await draw(
      raj,
      "grey",
      12,
      path([
        [300, 850],
        [300, 480],
        [520, 280],
        [740, 480],
        [740, 850],
        [300, 850],
      ]),
    );
    await draw(
      raj,
      "grey",
      12,
      path([
        [470, 850],
        [470, 640],
        [580, 640],
        [580, 850],
      ]),
    );
    await draw(zoe, "orange", 16, arc(1_330, 210, 95, 95, 1));
    for (let ray = 0; ray < 8; ray++)
      await draw(zoe, "orange", 12, [spoke(1_330, 210, 130, ray / 8), spoke(1_330, 210, 185, ray / 8)]);
    await draw(
      daming,
      "green",
      14,
      path([
        [1_040, 850],
        [1_050, 620],
      ]),
    );
    await draw(daming, "green", 26, arc(1_050, 500, 130, 135, 1));
    await draw(
      raj,
      "blue",
      10,
      path([
        [100, 900],
        [1_500, 900],
      ]),
    );
    await draw(zoe, "red", 12, arc(1_050, 600, 250, 330, 1));
    return 1;
  },

  async github({ url }) {
    const from = { repository: { full_name: "ana/chat" }, sender: { login: "zoe" } };
    const html_url = "https://github.com/ana/chat";
    const issue = { number: 7, title: "Votes are lost where two nodes meet again", html_url };
    const head_commit = { message: "Count a vote that came late" };
    await hook(url, "issues", { ...from, action: "opened", issue });
    await hook(url, "push", { ...from, ref: "refs/heads/main", commits: [{}, {}, {}], head_commit, compare: html_url });
    await hook(url, "release", {
      ...from,
      action: "published",
      release: { tag_name: "v1.1", name: "Eleven", html_url },
    });
    return 3;
  },
};

let began = 1;
const round = Math.round;

await Stage.open(async stage => {
  const plugins = join(stage.directory, "plugins");
  await mkdir(plugins);
  await cp(EXAMPLES, plugins, { recursive: true });
  await writeFile(join(plugins, "github/settings.json"), JSON.stringify({ secret: SECRET }));
  for (const [name, play] of Object.entries(SCENES)) {
    const node = await stage.start(name, { PLUGINS: plugins, RATE_LIMIT: "0" });
    const people = {
      raj: await stage.connect(node, "Raj"),
      daming: await stage.connect(node, "大明"),
      zoe: await stage.connect(node, "Zoë"),
    };
    const count = await play({ url: node.url, people });
    const halves = [
      await shot(stage, node, count, { locale: "en", colorScheme: "light" }),
      await shot(stage, node, count, { locale: "zh-CN", colorScheme: "dark" }),
    ];
    const picture = join(EXAMPLES, name, "picture.png");
    await writeFile(picture, await besides(stage, halves));
    weigh(picture, MAX_BYTES);
  }
});

/** Sends a message to the lobby; returns its id. */
async function send(person: Socket, type: string, body: object, ref?: string): Promise<string> {
  const answer = await person.emitWithAck(type, { room: "lobby", body, ...(ref && { ref }) });
  if (!answer.ok) throw new Error(`${type}: ${answer.message}`);
  return answer.id;
}

async function hook(url: string, event: string, payload: object): Promise<void> {
  const body = JSON.stringify(payload);
  const signature = `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
  const headers = { "X-GitHub-Event": event, "X-GitHub-Delivery": event, "X-Hub-Signature-256": signature };
  const answer = await fetch(`${url}/x/github`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${event}: ${await answer.text()}`);
}

/** The rows of the timeline, as somebody new sees them. */
async function shot(
  stage: Stage,
  node: { url: string },
  count: number,
  options: { locale: string; colorScheme: "light" | "dark" },
): Promise<Buffer> {
  const page = await stage.page(node, options.locale, { ...SIZE, ...options });
  const rows = page.getByRole("log").getByRole("article");
  await rows.nth(count - 1).waitFor();
  const [first, last] = [await rows.first().boundingBox(), await rows.nth(count - 1).boundingBox()];
  if (!first || !last) throw new Error("the rows are out of sight");
  const clip = { x: first.x, y: first.y, width: first.width, height: last.y + last.height - first.y + 12 };
  const taken = await page.screenshot({ clip });
  await page.context().close();
  return taken;
}

async function besides(stage: Stage, pictures: readonly Buffer[]): Promise<Buffer> {
  const page = await stage.browser.newPage({ viewport: { width: 1_600, height: 900 } });
  const images = pictures.map(picture => `<img src="data:image/png;base64,${picture.toString("base64")}">`);
  await page.setContent(`<div style="display: inline-flex">${images.join("")}</div>`);
  const taken = await page.locator("div").screenshot({ omitBackground: true });
  await page.close();
  return taken;
}

/** Straight lines, with points on the way, so that the corners stay corners. */
function path(corners: readonly Point[]): Point[] {
  return corners.flatMap(([x, y], at) => {
    const [fromX, fromY] = corners[at - 1] ?? [x, y];
    const on = (part: number): Point => [round(fromX + (x - fromX) * part), round(fromY + (y - fromY) * part)];
    return [on(0.02), on(0.5), on(0.98)];
  });
}

/** So many turns around a place. */
function arc(x: number, y: number, width: number, height: number, turns: number): Point[] {
  const at = (turn: number): Point => [
    round(x + width * Math.cos(turn * 2 * Math.PI)),
    round(y + height * Math.sin(turn * 2 * Math.PI)),
  ];
  return Array.from({ length: 41 }, (_, step) => at((turns * step) / 40));
}

function spoke(x: number, y: number, length: number, turn: number): Point {
  return [round(x + length * Math.cos(turn * 2 * Math.PI)), round(y + length * Math.sin(turn * 2 * Math.PI))];
}

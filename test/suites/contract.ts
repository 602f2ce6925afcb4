/** The contract that `web-chat check` holds dropped-in plugins to, as tests. `SEED=…` repeats a run. */
import test from "node:test";
import { promisesOf, type Samples } from "../../core/check/contract.ts";
import type { AnyServerPlugin } from "../../core/plugin.ts";

export type { Samples };

export function contractSuite(plugin: AnyServerPlugin, samples: Samples): void {
  for (const { what, hold } of promisesOf(plugin, samples))
    test(`${plugin.message.type}: ${what}`, t => {
      const seed = process.env.SEED === undefined ? (Math.random() * 0x7fff_ffff) | 0 : Number(process.env.SEED);
      t.diagnostic(`SEED=${seed}`);
      hold(seed);
    });
}

/** The workloads there are: one file each, named after its letter. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Workload } from "./workload.ts";

const FOLDER = join(import.meta.dirname, "workloads");

export function letters(): string[] {
  return readdirSync(FOLDER)
    .map(file => file.replace(".ts", ""))
    .sort();
}

export async function find(letter: string): Promise<Workload> {
  const { workload } = (await import(join(FOLDER, `${letter}.ts`))) as { workload: Workload };
  return workload;
}

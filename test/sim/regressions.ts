/** Plans that failed once, cut down, as files: `npm test` runs all of them. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parsePlan, type SimPlan } from "./plan.ts";

const DIRECTORY = new URL("./regressions/", import.meta.url);

/** A stored plan. */
export interface Regression {
  readonly file: string;
  readonly plan: SimPlan;
}

/** All of them, in order of their names. @throws {Error} when one cannot be read */
export function storedPlans(): readonly Regression[] {
  if (!existsSync(DIRECTORY)) return [];
  const files = readdirSync(DIRECTORY).filter((file) => file.endsWith(".json"));
  return files.toSorted().map((file) => ({ file, plan: parsePlan(readFileSync(new URL(file, DIRECTORY), "utf8")) }));
}

/** Stores a plan; its path. A better name than the seed's is for whoever mends what it shows. */
export function storePlan(plan: SimPlan): string {
  mkdirSync(DIRECTORY, { recursive: true });
  const url = new URL(`seed-${plan.seed}.json`, DIRECTORY);
  writeFileSync(url, `${JSON.stringify(plan, null, 2)}\n`);
  return fileURLToPath(url);
}

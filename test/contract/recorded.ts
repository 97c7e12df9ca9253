/** What Apache Kafka 4.3.1 answered to the cases when it was last asked. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiRanges } from "./api-versions.ts";
import type { Plain } from "./normalise.ts";

/** Where the answers are kept, by case and label. */
export const RECORDED_FILE = join(import.meta.dirname, "recorded.json");

/** Labelled answers of each case. */
export type Answers = Readonly<Record<string, Readonly<Record<string, Plain>>>>;

/** What was recorded. */
export interface Recorded {
  readonly apiRanges: ApiRanges;
  readonly answerToUnknownVersion: unknown;
  readonly cases: Answers;
}

/** Reads the recording. */
export function recorded(): Recorded {
  return JSON.parse(readFileSync(RECORDED_FILE, "utf8"));
}

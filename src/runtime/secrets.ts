/** Where references of a topology are looked up when they are needed: the environment of this process, and files. */

import { readFileSync } from "node:fs";
import { type ReferenceSources, resolveReferences } from "../topology/references.ts";

const SOURCES: ReferenceSources = { env: (name) => process.env[name], file: readSecret };

/** The text with every reference replaced. @throws {TopologyError} `TOPOLOGY_REFERENCE_UNSET` */
export function resolved(text: string): string {
  return resolveReferences(text, SOURCES);
}

function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // the reference says which file it is about
  }
}

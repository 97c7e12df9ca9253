/** References in a topology to what must not stand in it: `${env:NAME}` and `${file:path}`, resolved when they are needed. */

import { TopologyError } from "./errors.ts";

/** Where references are looked up. */
export interface ReferenceSources {
  /** The value of an environment variable. */
  readonly env: (name: string) => string | undefined;
  /** The content of a file, or undefined when it cannot be read. */
  readonly file: (path: string) => string | undefined;
}

const REFERENCE = /\$\{([^}]*)\}/g;
const KNOWN = /^(env|file):(.+)$/;

/** True when the text has at least one reference. */
export function hasReference(text: string): boolean {
  return text.includes("${");
}

/** The reason why a reference in `text` can never be resolved, or undefined. */
export function referenceProblem(text: string): string | undefined {
  for (const [whole, body = ""] of text.matchAll(REFERENCE)) {
    if (!KNOWN.test(body)) return `"${whole}" is no reference; write \${env:NAME} or \${file:path}`;
  }
  return undefined;
}

/** The text with every reference replaced; a file's trailing line end is dropped.
 *  @throws {TopologyError} `TOPOLOGY_REFERENCE_UNSET` */
export function resolveReferences(text: string, sources: ReferenceSources): string {
  return text.replace(REFERENCE, (whole, body: string) => {
    const [, kind, name = ""] = KNOWN.exec(body) ?? [];
    const value = kind === "env" ? sources.env(name) : sources.file(name)?.replace(/\r?\n$/, "");
    if (value !== undefined) return value;
    const message =
      kind === "env"
        ? `environment variable ${name} is not set; set it, the topology needs it for ${whole}`
        : `file ${name} cannot be read; the topology needs it for ${whole}`;
    throw new TopologyError({ code: "TOPOLOGY_REFERENCE_UNSET", reference: whole }, { message });
  });
}

/** Reads the JSON objects of an archive field by field, so that a damaged one is told by its key. */

import { archiveFailure } from "./archive-failure.ts";
import type { ArchiveError } from "./errors.ts";

/** Typed access to the fields of a JSON object; everything else is `ARCHIVE_BAD_MANIFEST` with the key and the
 *  field. */
export class JsonFields {
  readonly key: string;
  readonly #object: Readonly<Record<string, unknown>>;

  constructor(key: string, value: unknown) {
    this.key = key;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.bad("object");
    this.#object = { ...value };
  }

  /** The error for a field that is not what it must be. */
  bad(what: string): ArchiveError {
    return archiveFailure({ code: "ARCHIVE_BAD_MANIFEST", key: this.key, what });
  }

  string(name: string): string {
    const value = this.#object[name];
    if (typeof value !== "string") throw this.bad(name);
    return value;
  }

  stringOrNull(name: string): string | null {
    return this.#object[name] === null ? null : this.string(name);
  }

  number(name: string): number {
    const value = this.#object[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.bad(name);
    return value;
  }

  offset(name: string): bigint {
    const value = this.string(name);
    if (!/^\d{1,19}$/.test(value)) throw this.bad(name);
    return BigInt(value);
  }

  /** Undefined when there is no such field. */
  optionalList(name: string): readonly unknown[] | undefined {
    return this.#object[name] === undefined ? undefined : this.list(name);
  }

  /** Whatever is there. */
  optional(name: string): unknown {
    return this.#object[name];
  }

  list(name: string): readonly unknown[] {
    const value = this.#object[name];
    if (!Array.isArray(value)) throw this.bad(name);
    return value;
  }
}

/** @throws {ArchiveError} `ARCHIVE_BAD_MANIFEST` */
export function parseJson(key: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw archiveFailure({ code: "ARCHIVE_BAD_MANIFEST", key, what: "json" }, error);
  }
}

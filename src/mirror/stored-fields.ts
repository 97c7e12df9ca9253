/** JSON that was stored by some version of this program, or by anything else: every getter checks what it returns. */

import type { Uuid } from "../core/brand.ts";
import type { LaneIdentity, Progress } from "./offset-ports.ts";
import { StoredError } from "./stored-error.ts";

/** Far above any record this program writes; more is hostile. */
const RECORD_BYTES_MAX = 256 * 1024;

/** What is stored, for messages, and the newest form that this program reads. */
export interface StoredForm {
  readonly what: string;
  readonly version: number;
}

/** An object of unknown origin. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #what: string;

  private constructor(value: unknown, path: string, what: string) {
    this.#what = what;
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.#malformed(`${path || "root"} is no object`);
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  /** The root of a stored record. @throws {StoredError} `STORED_MALFORMED`, `STORED_VERSION_UNSUPPORTED` */
  static of(bytes: Buffer, { what, version: supportedVersion }: StoredForm): Fields {
    const root = new Fields(parse(bytes, what), "", what);
    const version = root.integer("v");
    if (version === supportedVersion) return root;
    throw new StoredError({ code: "STORED_VERSION_UNSUPPORTED", what, version, supportedVersion });
  }

  /** Whether the field is there. */
  has(name: string): boolean {
    return Object.hasOwn(this.#values, name);
  }

  /** @throws {StoredError} as all that follow */
  text(name: string): string {
    const value = this.#own(name);
    if (typeof value !== "string") throw this.#wrong(name, "text");
    return value;
  }

  integer(name: string): number {
    const value = this.#own(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.#wrong(name, "an integer");
    return value;
  }

  /** A decimal string of at most 19 digits, as all int64 are stored. */
  natural(name: string): bigint {
    const value = this.#own(name);
    if (typeof value !== "string" || !/^\d{1,19}$/.test(value)) throw this.#wrong(name, "a decimal string");
    return BigInt(value);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.#own(name);
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw this.#wrong(name, choices.join(" | "));
    return choice;
  }

  object(name: string): Fields {
    return new Fields(this.#own(name), `${this.#path}${name}.`, this.#what);
  }

  list(name: string, lengthMax: number): readonly Fields[] {
    const value = this.#own(name);
    if (!Array.isArray(value) || value.length > lengthMax) throw this.#wrong(name, `a list of at most ${lengthMax}`);
    return value.map((item, index) => new Fields(item, `${this.#path}${name}[${index}].`, this.#what));
  }

  /** The identity of a lane. */
  lane(name: string): LaneIdentity {
    const fields = this.object(name);
    return {
      sourceClusterId: fields.text("sourceClusterId"),
      sourceTopicId: fields.text("sourceTopicId") as Uuid,
      sourcePartition: fields.integer("sourcePartition"),
      targetClusterId: fields.text("targetClusterId"),
      targetTopicId: fields.text("targetTopicId") as Uuid,
      targetPartition: fields.integer("targetPartition"),
    };
  }

  /** How far a lane has come: fields of this object itself. */
  progress(): Progress {
    return {
      sourceNext: this.natural("sourceNext"),
      targetNext: this.natural("targetNext"),
      count: this.natural("count"),
    };
  }

  #own(name: string): unknown {
    return this.has(name) ? this.#values[name] : undefined;
  }

  #wrong(name: string, wanted: string): StoredError {
    return this.#malformed(`${this.#path}${name} is not ${wanted}`);
  }

  #malformed(why: string): StoredError {
    return malformed(this.#what, why);
  }
}

function parse(bytes: Buffer, what: string): unknown {
  if (bytes.length > RECORD_BYTES_MAX) throw malformed(what, `${bytes.length} bytes`);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw malformed(what, "no JSON");
  }
}

function malformed(what: string, why: string): StoredError {
  return new StoredError({ code: "STORED_MALFORMED", what, why });
}

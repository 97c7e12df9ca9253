/** What a configuration entry is: name, type, default and the values it accepts, as Kafka's `ConfigDef` has them. */

/** Types with the numbers that DescribeConfigs puts on the wire (`ConfigType`). */
export const CONFIG_TYPES = { boolean: 1, string: 2, int: 3, short: 4, long: 5, double: 6, list: 7 } as const;

/** Name of a type in `CONFIG_TYPES`. */
export type ConfigType = keyof typeof CONFIG_TYPES;

/** One known entry. */
export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  readonly defaultValue: string;
  /** The broker entry that gives the default of a topic entry. */
  readonly brokerName?: string;
  /** Why a value is no good; undefined when it is. Values arrive trimmed. */
  readonly check: (value: string) => string | undefined;
  readonly documentation: string;
  /** May be changed while the region runs. */
  readonly dynamic: boolean;
}

const INT32 = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/** Java's Long.MAX_VALUE, Kafka's way to say "never". */
export const LONG_MAX = INT64.max;

function integer(bounds: { readonly min: bigint; readonly max: bigint }, atLeast: bigint) {
  const min = atLeast > bounds.min ? atLeast : bounds.min;
  return (value: string): string | undefined => {
    if (!/^[+-]?\d+$/.test(value)) return `not a number: ${value}`;
    const number = BigInt(value);
    return number < min || number > bounds.max ? `must be between ${min} and ${bounds.max}: ${value}` : undefined;
  };
}

interface Extra {
  readonly brokerName?: string;
  readonly dynamic?: boolean;
}

function finish(
  base: Omit<ConfigDefinition, "dynamic" | "brokerName">,
  { brokerName, dynamic = true }: Extra,
): ConfigDefinition {
  return { ...base, dynamic, ...(brokerName === undefined ? {} : { brokerName }) };
}

/** A whole number of 32 bits, at least `min`. */
export function int(
  name: string,
  [defaultValue, min]: readonly [number, number],
  documentation: string,
  extra: Extra = {},
): ConfigDefinition {
  const check = integer(INT32, BigInt(min));
  return finish({ name, type: "int", defaultValue: String(defaultValue), check, documentation }, extra);
}

/** A whole number of 64 bits, at least `min`. */
export function long(
  name: string,
  [defaultValue, min]: readonly [bigint, bigint],
  documentation: string,
  extra: Extra = {},
): ConfigDefinition {
  const check = integer(INT64, min);
  return finish({ name, type: "long", defaultValue: String(defaultValue), check, documentation }, extra);
}

/** `true` or `false`, in any case. */
export function bool(name: string, defaultValue: boolean, documentation: string, extra: Extra = {}): ConfigDefinition {
  const check = (value: string): string | undefined =>
    /^(true|false)$/i.test(value) ? undefined : `must be true or false: ${value}`;
  return finish({ name, type: "boolean", defaultValue: String(defaultValue), check, documentation }, extra);
}

/** A number between 0 and 1. */
export function ratio(name: string, defaultValue: number, documentation: string, extra: Extra = {}): ConfigDefinition {
  const check = (value: string): string | undefined =>
    value !== "" && Number(value) >= 0 && Number(value) <= 1 ? undefined : `must be between 0 and 1: ${value}`;
  return finish({ name, type: "double", defaultValue: String(defaultValue), check, documentation }, extra);
}

/** One of a few words. */
export function word(
  name: string,
  [defaultValue, words]: readonly [string, readonly string[]],
  documentation: string,
  extra: Extra = {},
): ConfigDefinition {
  const check = (value: string): string | undefined =>
    words.includes(value) ? undefined : `must be one of ${words.join(", ")}: ${value}`;
  return finish({ name, type: "string", defaultValue, check, documentation }, extra);
}

/** A comma-separated list; `words` limits its items when given. */
export function list(
  name: string,
  [defaultValue, words]: readonly [string, readonly string[] | undefined],
  documentation: string,
  extra: Extra = {},
): ConfigDefinition {
  const check = (value: string): string | undefined => {
    if (words === undefined) return undefined;
    const bad = value.split(",").find((item) => !words.includes(item.trim()));
    return bad === undefined ? undefined : `must be of ${words.join(", ")}: ${bad}`;
  };
  return finish({ name, type: "list", defaultValue, check, documentation }, extra);
}

/** Any text. */
export function text(name: string, defaultValue: string, documentation: string, extra: Extra = {}): ConfigDefinition {
  return finish({ name, type: "string", defaultValue, check: () => undefined, documentation }, extra);
}

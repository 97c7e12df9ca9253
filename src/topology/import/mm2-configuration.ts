/** What a MirrorMaker 2 configuration says, whichever form it came in. */

import { TributaryError } from "../../core/errors.ts";

/** Settings by their MirrorMaker names. */
export type Settings = ReadonlyMap<string, string>;

/** A cluster by its alias. */
export interface Mm2Cluster {
  readonly alias: string;
  readonly bootstrap: readonly string[];
  /** Its client settings besides that. */
  readonly settings: Settings;
}

/** One direction. */
export interface Mm2Flow {
  readonly source: string;
  readonly target: string;
  readonly enabled: boolean;
  /** Settings made for this flow alone. */
  readonly own: Settings;
}

/** Where Kafka Connect keeps what MirrorMaker needs to know, on the target. */
export interface ConnectPlaces {
  readonly offsetsTopic: string;
  readonly group: string;
  /** True: the file does not say, and these are Kafka's defaults. */
  readonly isGuess?: boolean;
}

/** A whole configuration. */
export interface Mm2Configuration {
  /** For the topology: letters, digits, - and _. */
  readonly name: string;
  readonly clusters: readonly Mm2Cluster[];
  readonly flows: readonly Mm2Flow[];
  /** Settings for all flows. */
  readonly shared: Settings;
  /** Set where MirrorMaker runs as connectors of a Connect cluster; a dedicated one derives the places from its aliases. */
  readonly connect?: ConnectPlaces;
}

/** Why a file cannot be imported. */
export interface ImportFault {
  readonly code: "IMPORT_INVALID";
  readonly file: string;
  readonly what: string;
}

/** The message is one line: place, cause, remedy. */
export class ImportError extends TributaryError<ImportFault> {}

/** Refuses a file. `place` is the file, with a line where one is known. */
export function importError(place: string, what: string): ImportError {
  return new ImportError({ code: "IMPORT_INVALID", file: place, what }, { message: `${place} ${what}` });
}

/** A setting of a flow: its own, else that of all flows. */
export function settingOf(configuration: Mm2Configuration, flow: Mm2Flow, key: string): string | undefined {
  return flow.own.get(key) ?? configuration.shared.get(key);
}

/** The name of a region for an alias. @throws {ImportError} when it cannot be one */
export function checkedAlias(place: string, alias: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(alias)) return alias;
  throw importError(
    place,
    `alias "${alias}" cannot be a region's name, which has letters, digits, - and _; rename the cluster, and its topics on the target if they carry the alias`,
  );
}

/** A name for the topology out of any text. */
export function topologyName(text: string): string {
  const name = text.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return name.slice(0, 64) || "mirrors";
}

/** Addresses of `bootstrap.servers`, without protocols. */
export function addressesOf(servers: string): readonly string[] {
  return servers
    .split(",")
    .map((address) => address.trim().replace(/^[A-Za-z_]+:\/\//, ""))
    .filter((address) => address !== "");
}

/** Reads `mm2.properties`, the configuration of MirrorMaker 2's dedicated mode. */

import { parseProperties } from "./java-properties.ts";
import {
  addressesOf,
  checkedAlias,
  importError,
  type Mm2Cluster,
  type Mm2Configuration,
  type Mm2Flow,
} from "./mm2-configuration.ts";

/** Reads the text of a file. @throws {ImportError} when it names no clusters, or one without addresses */
export function readMm2Properties(file: string, text: string, name: string): Mm2Configuration {
  const properties = parseProperties(text);
  const all = new Map(properties.map(({ key, value }) => [key, value]));
  const lineOf = (key: string): number => properties.findLast((property) => property.key === key)?.line ?? 1;
  const listed = all.get("clusters");
  if (listed === undefined)
    throw importError(file, 'names no clusters; a configuration of MirrorMaker 2 has a line "clusters = a, b"');
  const aliases = listed.split(",").flatMap((alias) => alias.trim() || []);
  const place = `${file}:${lineOf("clusters")}`;
  const clusters = aliases.map((alias): Mm2Cluster => {
    checkedAlias(place, alias);
    const { "bootstrap.servers": servers, ...settings } = Object.fromEntries(under(`${alias}.`, all));
    if (servers === undefined)
      throw importError(place, `cluster "${alias}" has no ${alias}.bootstrap.servers; add them`);
    return { alias, bootstrap: addressesOf(servers), settings: new Map(Object.entries(settings)) };
  });
  const prefixes = [
    ...aliases.map((alias) => `${alias}.`),
    ...aliases.flatMap((source) => aliases.map((target) => `${source}->${target}.`)),
  ];
  const shared = [...all].filter(([key]) => key !== "clusters" && !prefixes.some((prefix) => key.startsWith(prefix)));
  const unknown = shared.find(([key]) => /^[^.]+->/.test(key));
  if (unknown !== undefined)
    throw importError(`${file}:${lineOf(unknown[0])}`, `${unknown[0]} is about clusters that are not in "clusters"`);
  return { name, clusters, flows: flowsIn(aliases, all), shared: new Map(shared) };
}

/** Pairs that the file says anything about. */
function flowsIn(aliases: readonly string[], all: ReadonlyMap<string, string>): readonly Mm2Flow[] {
  return aliases.flatMap((source) =>
    aliases.flatMap((target): readonly Mm2Flow[] => {
      const own = under(`${source}->${target}.`, all);
      const enabled = own.get("enabled") ?? all.get("enabled") ?? "false";
      // As Java's parseBoolean.
      const isEnabled = enabled.trim().toLowerCase() === "true";
      const isNamed = own.size > 0 || isEnabled;
      if (source === target || !isNamed) return [];
      own.delete("enabled");
      return [{ source, target, enabled: isEnabled, own }];
    }),
  );
}

function under(prefix: string, all: ReadonlyMap<string, string>): Map<string, string> {
  const found = [...all].filter(([key]) => key.startsWith(prefix));
  return new Map(found.map(([key, value]) => [key.slice(prefix.length), value]));
}

/** Finds and reads topology files, and the region files beside them. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { toError } from "../core/errors.ts";
import type { Topology } from "../topology/model.ts";
import { nearestName } from "../topology/nearest.ts";
import { parseTopology, type SourceText } from "../topology/parse.ts";
import { RuntimeError } from "./errors.ts";

/** The topology used when none is named and there are several. */
export const DEFAULT_TOPOLOGY = "hub-and-spoke";

/** A topology of a thousand mirrors has half of this; whatever is larger is some other file. */
const FILE_BYTES_MAX = 1_048_576;

/** Where the package itself lies: its topologies are the last place looked into. */
const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The file for `wanted` (a path, or a name in `topologies/`), by default the only topology there is, else hub-and-spoke.
 *  @throws {RuntimeError} `TOPOLOGY_NOT_FOUND` */
export function findTopologyFile(wanted: string | undefined, directory: string = process.cwd()): string {
  const known = new Map([join(PACKAGE_ROOT, "topologies"), join(directory, "topologies")].flatMap(namedFiles));
  if (wanted === undefined) {
    const own = namedFiles(join(directory, "topologies"));
    const only = own.length === 1 ? own[0]?.[1] : undefined;
    return only ?? known.get(DEFAULT_TOPOLOGY) ?? notFound(DEFAULT_TOPOLOGY, [...known.keys()]);
  }
  const path = join(directory, wanted);
  if (/\.ya?ml$/.test(wanted) && existsSync(wanted.startsWith("/") ? wanted : path)) return wanted;
  return known.get(wanted) ?? notFound(wanted, [...known.keys()]);
}

function namedFiles(directory: string): readonly (readonly [name: string, file: string])[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((file) => /\.ya?ml$/.test(file))
    .sort()
    .map((file) => [basename(file).replace(/\.ya?ml$/, ""), join(directory, file)] as const);
}

function notFound(name: string, known: readonly string[]): never {
  const near = nearestName(name, known);
  const remedy =
    near === undefined ? `known are ${known.join(", ") || "none"}, or give a file` : `did you mean "${near}"?`;
  throw new RuntimeError(
    { code: "TOPOLOGY_NOT_FOUND", name, known },
    { message: `no topology "${name}" (${placeOf(name)}); ${remedy}` },
  );
}

/** Where it was looked for. */
function placeOf(name: string): string {
  if (!/[/.]/.test(name)) return `topologies/${name}.yaml`;
  return /\.ya?ml$/.test(name) ? "no such file" : "a file's name ends in .yaml or .yml";
}

/** Reads and checks a topology file; region files are looked for in `regions/` beside the file and beside its folder.
 *  @throws {TopologyError} every mistake in it @throws {RuntimeError} `TOPOLOGY_UNREADABLE` */
export function loadTopology(file: string): Topology {
  const folder = dirname(file);
  const candidates = (name: string): readonly string[] =>
    [join(folder, "regions"), join(folder, "..", "regions")].map((regions) => join(regions, `${name}.yaml`));
  const readRegion = (name: string): SourceText | undefined => {
    const found = candidates(name).find((path) => existsSync(path));
    return found === undefined ? undefined : { file: shown(found), text: readText(found) };
  };
  return parseTopology({ file: shown(file), text: readText(file), readRegion });
}

function readText(file: string): string {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new Error(stat.isDirectory() ? "is a directory" : "is no regular file");
    if (stat.size > FILE_BYTES_MAX) throw new Error(`${stat.size} bytes are too many, at most ${FILE_BYTES_MAX}`);
    return readFileSync(file, "utf8");
  } catch (cause) {
    const message = `cannot read the topology (${file}): ${toError(cause).message}; give a YAML file that may be read`;
    throw new RuntimeError({ code: "TOPOLOGY_UNREADABLE", file }, { message, cause });
  }
}

/** Paths below the working directory are shown relative to it. */
function shown(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith("..") ? file : path;
}

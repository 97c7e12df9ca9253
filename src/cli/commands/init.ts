/** `init`: writes a topology file to begin with, or one imported from MirrorMaker 2. */

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { toError } from "../../core/errors.ts";
import { TopologyError } from "../../topology/errors.ts";
import { importTopology } from "../../topology/import/import.ts";
import type { ImportedTopology } from "../../topology/import/mm2-topology.ts";
import { parseTopology } from "../../topology/parse.ts";
import { starterTopology } from "../../topology/starter.ts";
import type { CliContext } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";

/** A configuration of a thousand flows has half of this; whatever is larger is some other file. */
const FILE_BYTES_MAX = 1_048_576;
/** Name of the starter topology. */
const DEFAULT_NAME = "mine";

/** Options of the command. */
export interface InitOptions {
  readonly from?: string;
  readonly force?: boolean;
}

/** Writes the file; by default `topologies/<name>.yaml`, `-` is stdout. Exit 65 when what was imported is no valid topology yet. */
export async function init(context: CliContext, options: InitOptions, file?: string): Promise<ExitCode> {
  const imported = options.from === undefined ? undefined : importedFrom(options.from);
  const name = imported?.name ?? (file === undefined || file === "-" ? DEFAULT_NAME : nameOf(file));
  const text = imported?.text ?? starterTopology(name);
  const path = file ?? join("topologies", `${name}.yaml`);
  const problems = problemsOf(path, text);
  if (path === "-") {
    context.line(text.trimEnd());
  } else {
    write(path, text, options.force === true);
    const facts = { file: path, name, regions: imported?.regions ?? 2, mirrors: imported?.mirrors ?? 1 };
    context.data({ ...facts, notes: imported?.notes ?? [], problems }, () => summary(path, imported));
    context.talk(`next: tributary topology plan -t ${path} shows what it would do, and changes nothing`);
  }
  for (const problem of problems) context.talk(problem);
  return problems.length > 0 ? EXIT.invalidTopology : EXIT.ok;
}

function importedFrom(file: string): ImportedTopology {
  return importTopology({ file, text: readText(file), name: nameOf(file) });
}

function nameOf(file: string): string {
  return basename(file).replace(/\.[^.]*$/, "");
}

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > FILE_BYTES_MAX) throw new Error(`${size} bytes are too many, at most ${FILE_BYTES_MAX}`);
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw usageError(
      `cannot read ${file}: ${toError(cause).message}; give mm2.properties or a KafkaMirrorMaker2 resource`,
    );
  }
}

function write(path: string, text: string, force: boolean): void {
  if (existsSync(path) && !force) throw usageError(`${path} is there already; name another file, or say --force`);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  } catch (cause) {
    const message = `cannot write ${path}: ${toError(cause).message}; name a file that may be written`;
    throw new CommandError({ code: "COMMAND_FAILED", what: path }, { message, cause });
  }
}

/** What is wrong with the file, one line each: the import says what MirrorMaker was told, which may not be sound. */
function problemsOf(path: string, text: string): readonly string[] {
  try {
    parseTopology({ file: relative(process.cwd(), path), text });
    return [];
  } catch (error) {
    if (error instanceof TopologyError) return error.message.split("\n");
    throw error;
  }
}

function summary(path: string, imported: ImportedTopology | undefined): string {
  if (imported === undefined) return `${path}: two regions and a mirror to begin with`;
  const missing = imported.notes.filter(({ kind }) => kind === "no-equivalent" || kind === "unknown").length;
  const comments =
    missing === 0 ? "" : `; ${counted(missing, "setting")} without an equivalent, see the comments in it`;
  return `${path}: ${counted(imported.regions, "region")}, ${counted(imported.mirrors, "mirror")}${comments}`;
}

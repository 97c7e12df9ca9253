/** A YAML text with positions: plain values for the schema, and the place of any path for messages. */

import { type Document, isMap, isNode, isScalar, LineCounter, type Pair, parseDocument, type YAMLError } from "yaml";
import type { Place, TopologyIssue } from "./errors.ts";

/** A path into the value: keys and list indexes. */
export type Path = readonly PropertyKey[];

/** Anchors may multiply; a file that expands further than this is refused (yaml's "billion laughs" guard). */
const ALIASES_MAX = 100;

/** One bracket too few can upset every later line, and a file that is no text at all has a fault in each. */
const SYNTAX_ISSUES_MAX = 20;

/** One parsed file. */
export class YamlFile {
  readonly file: string;
  readonly issues: readonly TopologyIssue[];
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  /** Parses `text`; syntax errors end up in `issues` and leave `value` undefined. */
  constructor(file: string, text: string) {
    this.file = file;
    this.#lines = new LineCounter();
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const faults = [...this.#document.errors, ...this.#document.warnings];
    const issues = faults.slice(0, SYNTAX_ISSUES_MAX).map(
      (fault): TopologyIssue => ({
        code: "syntax",
        place: this.#placeAt(fault.pos[0]),
        fact: `YAML: ${inOwnWords(fault)}`,
      }),
    );
    this.value = issues.length > 0 ? undefined : this.#plainValue(issues);
    this.issues = issues;
  }

  #plainValue(issues: TopologyIssue[]): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      const fact = `YAML: ${error instanceof Error ? error.message : String(error)}`;
      issues.push({ code: "syntax", place: this.#placeAt(0), fact });
      return undefined;
    }
  }

  /** The place of the value at `path`, or of the nearest parent that is there. */
  placeOf(path: Path): Place {
    for (let length = path.length; length > 0; length--) {
      const node = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#placeAt(node.range[0]);
      const pair = this.#pairAt(path.slice(0, length));
      if (pair !== undefined && isNode(pair.key) && pair.key.range) return this.#placeAt(pair.key.range[0]);
    }
    return this.#placeAt(this.#document.contents?.range[0] ?? 0);
  }

  /** The place of the key that `path` ends with; of its map when the key is not there, of the item in a list. */
  placeOfKey(path: Path): Place {
    const key = this.#pairAt(path)?.key;
    if (isNode(key) && key.range) return this.#placeAt(key.range[0]);
    return this.placeOf(typeof path.at(-1) === "number" ? path : path.slice(0, -1));
  }

  /** True when the file itself has a value at `path`. */
  has(path: Path): boolean {
    return path.length === 0 || this.#document.hasIn(path);
  }

  #pairAt(path: Path): Pair | undefined {
    const parent = path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1), true);
    const last = path.at(-1);
    if (!isMap(parent)) return undefined;
    return parent.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(last));
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

/** The parser's message without its advice to programmers. */
function inOwnWords(fault: YAMLError): string {
  if (fault.code === "MULTIPLE_DOCS") return "a second document begins here; write one for each file";
  return fault.message.split("\n", 1)[0] ?? fault.code;
}

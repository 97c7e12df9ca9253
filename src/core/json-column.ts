/** Which members of JSON values become columns of their own, as a person writes it: `amount:double`, `user.id:int64`, `note`. */

/** What a column may be of; `string` holds texts as they are and everything else as its JSON text. */
export type JsonColumnType = "string" | "int64" | "double" | "boolean";

/** One column. */
export interface JsonColumn {
  /** As written: member names with dots between them. */
  readonly name: string;
  readonly path: readonly string[];
  readonly type: JsonColumnType;
}

/** Columns that every file has. */
const RESERVED: ReadonlySet<string> = new Set([
  "offset",
  "partition",
  "timestamp",
  "key",
  "value",
  "headers",
  "topic",
  "date",
]);
const TYPES: readonly string[] = ["string", "int64", "double", "boolean"] satisfies readonly JsonColumnType[];

/** Reads `a,b.c:int64`; a text says what is wrong with it. */
export function parseJsonColumns(text: string): readonly JsonColumn[] | string {
  const columns: JsonColumn[] = [];
  for (const part of text.split(",").map((each) => each.trim())) {
    const [name = "", type = "string", ...rest] = part.split(":");
    if (name === "" || rest.length > 0 || !TYPES.includes(type))
      return `"${part}" is no column; write NAME or NAME:TYPE with ${TYPES.join(", ")}`;
    if (RESERVED.has(name)) return `"${name}" is a column of every file already`;
    if (columns.some((column) => column.name === name)) return `"${name}" is named twice`;
    columns.push({ name, path: name.split("."), type: type as JsonColumnType });
  }
  return columns;
}

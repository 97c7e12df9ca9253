/** How commands speak: data to stdout as tables or JSON, talk to stderr. */

/** Grows by a minor number when something is added, by a major one when something changes or goes. */
export const FORMAT_VERSION = "1.0";

/** The forms of data. */
export type OutputFormat = "table" | "json";

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly align?: "left" | "right";
  readonly value: (row: Row) => string | number | bigint;
}

/** A table as text, two blanks between columns, without trailing blanks. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => String(column.value(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

/** `1 region`, `3 regions`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** JSON with the format version in front; bigints become numbers where they fit, else text. */
export function renderJson(value: object): string {
  return JSON.stringify({ format_version: FORMAT_VERSION, ...value }, jsonValue, 2);
}

/** The same on one line, for streams of objects. */
export function renderJsonLine(value: object): string {
  return JSON.stringify(value, jsonValue);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

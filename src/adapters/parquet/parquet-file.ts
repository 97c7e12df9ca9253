/** Records as a Parquet file, row group by row group, in bounded memory.
 *
 *  ```
 *  offset int64 | partition int32 | timestamp timestamp[ms, UTC] or null | key, value bytes (or text) or null
 *  headers list<struct<key text, value bytes or null>> | the columns taken out of JSON values
 *  ``` */

import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from "hyparquet-writer";
import type { JsonColumn } from "../../core/json-column.ts";
import type { StorageFile } from "../../core/storage.ts";
import { type JsonColumnValue, jsonColumnValues } from "../../tier/parquet/json-columns.ts";
import type { DecodedRecord } from "../../wire/records.ts";

/** A row group ends with whichever comes first; its rows are in memory until it is written. */
const GROUP_ROWS_MAX = 100_000;
const GROUP_BYTES_MAX = 16 * 1024 * 1024;

/** For people who look into the file. */
const CREATED_BY = "tributary";

/** What the file is of. */
export interface ParquetFileOptions {
  readonly partition: number;
  readonly jsonColumns: readonly JsonColumn[];
  /** Whether keys and values are declared as UTF-8 text. */
  readonly isText: boolean;
  /** Facts for the footer. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Takes records in order; whole after `finish`. */
export class ParquetFile {
  readonly #options: ParquetFileOptions;
  readonly #file: StorageFile;
  readonly #bytes = new ByteWriter(1024 * 1024);
  readonly #writer: ParquetWriter;
  #rows = 0;
  #group: Group;

  /** Appends to `file`, which is empty. */
  constructor(options: ParquetFileOptions, file: StorageFile) {
    this.#options = options;
    this.#file = file;
    this.#group = emptyGroup(options);
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: schemaOf(options),
      kvMetadata: Object.entries(options.metadata).map(([key, value]) => ({ key, value })),
      createdBy: CREATED_BY,
    });
  }

  /** Rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Adds a record; its bytes are copied. @throws {StorageError} */
  add(offset: bigint, record: DecodedRecord): void {
    const group = this.#group;
    const { key, value, headers, timestampMs } = record;
    group.offset.push(offset);
    group.timestamp.push(timestampMs < 0n ? null : timestampMs);
    group.key.push(copied(key));
    group.value.push(copied(value));
    group.headers.push(headers.map((header) => ({ key: header.key, value: copied(header.value) })));
    for (const [at, cell] of jsonColumnValues(value, this.#options.jsonColumns).entries()) group.json[at]?.push(cell);
    group.bytes += (key?.length ?? 0) + (value?.length ?? 0);
    for (const header of headers) group.bytes += header.key.length + (header.value?.length ?? 0);
    this.#rows++;
    if (group.offset.length >= GROUP_ROWS_MAX || group.bytes >= GROUP_BYTES_MAX) this.#writeGroup();
  }

  /** Writes what is left and the footer. @throws {StorageError} */
  finish(): void {
    if (this.#group.offset.length > 0 || this.#rows === 0) this.#writeGroup();
    this.#writer.finish();
    this.#flush();
  }

  #writeGroup(): void {
    const group = this.#group;
    const count = group.offset.length;
    const { jsonColumns, partition } = this.#options;
    const columnData: ColumnSource[] = [
      { name: "offset", data: group.offset },
      { name: "partition", data: Array.from({ length: count }, () => partition) },
      { name: "timestamp", data: group.timestamp },
      { name: "key", data: group.key },
      { name: "value", data: group.value },
      { name: "headers", data: group.headers },
      ...jsonColumns.map(({ name }, at) => ({ name, data: group.json[at] ?? [] })),
    ];
    this.#writer.write({ columnData, rowGroupSize: GROUP_ROWS_MAX });
    this.#group = emptyGroup(this.#options);
    this.#flush();
  }

  #flush(): void {
    this.#file.append([this.#bytes.getBytes()]);
    this.#bytes.index = 0;
  }
}

interface Group {
  readonly offset: bigint[];
  readonly timestamp: (bigint | null)[];
  readonly key: (Uint8Array | null)[];
  readonly value: (Uint8Array | null)[];
  readonly headers: { readonly key: string; readonly value: Uint8Array | null }[][];
  readonly json: JsonColumnValue[][];
  bytes: number;
}

function emptyGroup({ jsonColumns }: ParquetFileOptions): Group {
  return { offset: [], timestamp: [], key: [], value: [], headers: [], json: jsonColumns.map(() => []), bytes: 0 };
}

/** Views would keep whole batches in memory. */
function copied(bytes: Buffer | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes);
}

function schemaOf({ isText, jsonColumns }: ParquetFileOptions): SchemaElement[] {
  const text = isText ? { converted_type: "UTF8" as const } : {};
  return [
    { name: "record", num_children: 6 + jsonColumns.length },
    { name: "offset", type: "INT64", repetition_type: "REQUIRED" },
    { name: "partition", type: "INT32", repetition_type: "REQUIRED" },
    {
      name: "timestamp",
      type: "INT64",
      logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" },
      repetition_type: "OPTIONAL",
    },
    { name: "key", type: "BYTE_ARRAY", ...text, repetition_type: "OPTIONAL" },
    { name: "value", type: "BYTE_ARRAY", ...text, repetition_type: "OPTIONAL" },
    { name: "headers", converted_type: "LIST", num_children: 1, repetition_type: "REQUIRED" },
    { name: "list", num_children: 1, repetition_type: "REPEATED" },
    { name: "element", num_children: 2, repetition_type: "REQUIRED" },
    { name: "key", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
    { name: "value", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" },
    ...jsonColumns.map(jsonElement),
  ];
}

function jsonElement({ name, type }: JsonColumn): SchemaElement {
  const optional = { name, repetition_type: "OPTIONAL" } as const;
  switch (type) {
    case "string":
      return { ...optional, type: "BYTE_ARRAY", converted_type: "UTF8" };
    case "int64":
      return { ...optional, type: "INT64" };
    case "double":
      return { ...optional, type: "DOUBLE" };
    case "boolean":
      return { ...optional, type: "BOOLEAN" };
  }
}

/** What a schema looks like as data. */

/** What a codec's values look like, as data: for tests, comparisons with other definitions, and dumps. */
export type Shape =
  | { readonly kind: "int8" | "int16" | "int32" | "int64" | "float64" | "boolean" | "uuid" }
  | { readonly kind: "string" | "bytes"; readonly nullable: boolean }
  | { readonly kind: "array"; readonly nullable: boolean; readonly item: Shape }
  | { readonly kind: "nullable"; readonly item: Shape }
  | { readonly kind: "struct"; readonly fields: readonly FieldShape[] };

/** One field of a struct: its versions, its value where it is absent, and its tag if it travels in the tagged section. */
export interface FieldShape {
  readonly name: string;
  readonly shape: Shape;
  readonly from: number;
  readonly to: number;
  readonly tag: number | undefined;
  readonly absent: unknown;
  readonly ignorable: boolean;
}

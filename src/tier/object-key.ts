/** Which keys an archive may use: such as every kind of store can keep, so that it can be moved from one to another. */

/** True for `/`-separated names without empty, `.` or `..` parts. */
export function isPlainKey(key: string): boolean {
  return key.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !key.includes("\0");
}

/** A number whose texts sort as it does. */
export function twentyDigits(value: bigint): string {
  return value.toString().padStart(20, "0");
}

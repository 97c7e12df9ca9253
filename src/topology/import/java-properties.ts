/** The `.properties` format of Java, as `java.util.Properties.load` reads it. */

/** One setting and the line on which it begins. */
export interface Property {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

const ESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/** All settings in the order of the file; a key that is set twice is there twice, and the last one counts. */
export function parseProperties(text: string): readonly Property[] {
  return logicalLines(text).flatMap(({ content, line }) => {
    const [rawKey, rawValue] = split(content);
    return rawKey === "" ? [] : [{ key: unescaped(rawKey), value: unescaped(rawValue), line }];
  });
}

/** Lines without comments and leading blanks, continued ones joined. */
function logicalLines(text: string): readonly { readonly content: string; readonly line: number }[] {
  const lines: { content: string; line: number }[] = [];
  let open = false;
  for (const [index, raw] of text.split(/\r\n|\n|\r/).entries()) {
    const content = raw.replace(/^[ \t\f]+/, "");
    const last = lines.at(-1);
    if (!open && (content === "" || /^[#!]/.test(content))) continue;
    const isContinued = (/\\*$/.exec(content)?.[0].length ?? 0) % 2 === 1;
    const kept = isContinued ? content.slice(0, -1) : content;
    if (open && last !== undefined) last.content += kept;
    else lines.push({ content: kept, line: index + 1 });
    open = isContinued;
  }
  return lines;
}

/** The key ends at the first unescaped `=`, `:` or blank. */
function split(line: string): readonly [string, string] {
  const key = /^(?:\\.|[^\\=: \t\f])*/s.exec(line)?.[0] ?? "";
  return [key, line.slice(key.length).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "")];
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.)|$)/gs, (_, code: string | undefined, letter: string | undefined) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return letter === undefined ? "" : (ESCAPES[letter] ?? letter);
  });
}

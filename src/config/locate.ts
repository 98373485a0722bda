// Where each key of a TOML text stands. Bun's parser gives values without positions, so this scanner walks the text a second
// time, for messages only. It relies on the text having parsed: it looks for keys and skips values.

/** Inline tables deeper than this are skipped whole; no key of gyr.toml is that deep. */
const INLINE_DEPTH_MAX = 4;

/** Path of each table and key as written, joined with dots -> its line, from 1. The first one wins. */
export function locateKeys(text: string): Map<string, number> {
  return new Scanner(text).scan();
}

class Scanner {
  readonly #text: string;
  readonly #lines = new Map<string, number>();
  #pos = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text.startsWith("\uFEFF") ? text.slice(1) : text;
  }

  scan(): Map<string, number> {
    let table: string[] = [];
    for (;;) {
      this.#skipBlank();
      if (this.#pos >= this.#text.length) return this.#lines;
      if (this.#peek() === "[") table = this.#header();
      else this.#pair(table, 0);
      this.#skipLine();
    }
  }

  #header(): string[] {
    while (this.#peek() === "[") this.#next();
    const path = this.#key();
    this.#recordAll(path, 0);
    return path;
  }

  #pair(table: readonly string[], depth: number): void {
    const path = [...table, ...this.#key()];
    this.#recordAll(path, table.length);
    this.#skipSpaces();
    if (this.#peek() === "=") this.#next();
    this.#value(path, depth);
  }

  /** A dotted key: bare, "quoted" or 'literal' parts. */
  #key(): string[] {
    const parts: string[] = [];
    for (;;) {
      this.#skipSpaces();
      parts.push(this.#keyPart());
      this.#skipSpaces();
      if (this.#peek() !== ".") return parts;
      this.#next();
    }
  }

  #keyPart(): string {
    const quote = this.#peek();
    const start = this.#pos;
    if (quote === '"' || quote === "'") {
      this.#string();
      const raw = this.#text.slice(start + 1, this.#pos - 1);
      return quote === "'" ? raw : unescapeKey(raw);
    }
    while (/[^\s.=\]"'#]/.test(this.#peek())) this.#next();
    return this.#text.slice(start, this.#pos);
  }

  #value(path: readonly string[], depth: number): void {
    this.#skipSpaces();
    if (this.#peek() === "{" && depth < INLINE_DEPTH_MAX) this.#inlineTable(path, depth);
    else this.#skipValue();
  }

  #inlineTable(path: readonly string[], depth: number): void {
    this.#next();
    for (;;) {
      this.#skipBlank();
      const char = this.#peek();
      if (char === "") return;
      const before = this.#pos;
      if (char !== "," && char !== "}") this.#pair(path, depth + 1);
      // The comma or bracket; or a character that begins no key, so that the scan always moves on.
      if (this.#pos === before) this.#next();
      if (char === "}") return;
    }
  }

  /** Skips one value; brackets are counted, not nested, so that depth costs no stack. */
  #skipValue(): void {
    let open = 0;
    for (;;) {
      const char = this.#peek();
      if (char === "") return;
      if (open === 0 && /[,}\]#\n]/.test(char)) return;
      if (char === '"' || char === "'") this.#string();
      else if (char === "#") this.#skipComment();
      else {
        if (char === "[" || char === "{") open++;
        if (char === "]" || char === "}") open--;
        this.#next();
      }
    }
  }

  /** Skips a string of any of the four kinds. */
  #string(): void {
    const quote = this.#peek();
    const isLong = this.#text.startsWith(quote.repeat(3), this.#pos);
    const close = isLong ? quote.repeat(3) : quote;
    this.#advance(close.length);
    while (this.#pos < this.#text.length && !this.#text.startsWith(close, this.#pos)) {
      if (!isLong && this.#peek() === "\n") return;
      this.#advance(quote === '"' && this.#peek() === "\\" ? 2 : 1);
    }
    this.#advance(close.length);
    // A long string may end with up to two more quotes that belong to it.
    while (isLong && this.#peek() === quote) this.#next();
  }

  #skipSpaces(): void {
    while (this.#peek() === " " || this.#peek() === "\t") this.#next();
  }

  /** Spaces, line ends and comments. */
  #skipBlank(): void {
    for (;;) {
      const char = this.#peek();
      if (char === "#") this.#skipComment();
      else if (char === " " || char === "\t" || char === "\r" || char === "\n") this.#next();
      else return;
    }
  }

  #skipComment(): void {
    while (this.#pos < this.#text.length && this.#peek() !== "\n") this.#next();
  }

  #skipLine(): void {
    this.#skipComment();
    this.#next();
  }

  /** Notes the present line for `path` and every table on the way to it below `known` parts. */
  #recordAll(path: readonly string[], known: number): void {
    for (let count = known + 1; count <= path.length; count++) {
      const name = path.slice(0, count).join(".");
      if (!this.#lines.has(name)) this.#lines.set(name, this.#line);
    }
  }

  #peek(): string {
    return this.#text.charAt(this.#pos);
  }

  #next(): void {
    this.#advance(1);
  }

  #advance(count: number): void {
    for (let left = count; left > 0 && this.#pos < this.#text.length; left--) {
      if (this.#text.charCodeAt(this.#pos++) === 10) this.#line++;
    }
  }
}

/** A quoted key's own text; TOML's escapes are JSON's but for \e, \x and \U, which stay as written. */
function unescapeKey(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw;
  }
}

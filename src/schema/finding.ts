/**
 * What is wrong with a configuration, before it is known where in a file that is, and the part of
 * it that is right.
 *
 * Thread: any (pure). Checks make findings; the loader adds lines and columns. A check that runs on
 * the sound part need not wait until all else is right, so that a user sees every mistake at once.
 */

/** T as far as it is right: any part may be missing, and what is there has its type. */
export type SoundPart<T> = T extends readonly (infer Item)[]
  ? readonly (SoundPart<Item> | undefined)[]
  : T extends object
    ? { readonly [K in keyof T]?: SoundPart<T[K]> | undefined }
    : T;

/** Something wrong at one place of the configuration. */
export interface Finding {
  /** JSON Pointer of the value, or of the object that a key is about. */
  readonly pointer: string;
  /** JSON Pointer of the key or value to point at in the file. */
  readonly place: string;
  /** Whether the key is to be shown in the file, or the value. */
  readonly part: 'key' | 'value';
  readonly message: string;
}

/** What checks ask about a value besides the value itself. */
export interface CheckContext {
  /** Name of the variable that the value at this pointer came out of, if it did. */
  readonly variableAt: (pointer: string) => string | undefined;
}

/** Collects findings. */
export class Findings {
  private readonly found: Finding[] = [];
  /** Pointers at or below which something was found. */
  private readonly touched = new Set<string>();

  constructor(private readonly context: CheckContext) {}

  get list(): readonly Finding[] {
    return this.found;
  }

  add(finding: Finding): void {
    this.found.push(finding);
    let pointer = finding.place;
    while (pointer !== '' && !this.touched.has(pointer)) {
      this.touched.add(pointer);
      pointer = pointer.slice(0, pointer.lastIndexOf('/'));
    }
  }

  /** The value at `pointer` is wrong. */
  addValue(pointer: string, message: string): void {
    this.add({ pointer, place: pointer, part: 'value', message });
  }

  /** The key at `pointer` is wrong. */
  addKey(pointer: string, message: string): void {
    this.add({ pointer, place: pointer, part: 'key', message });
  }

  /** Whether something at or below `pointer` is wrong, so that its absence proves nothing. */
  hasUnder(pointer: string): boolean {
    return this.touched.has(pointer);
  }

  /** The value for a message. What came out of a variable may be a secret and stays unsaid. */
  quote(pointer: string, value: string | number | boolean): string {
    const variable = this.context.variableAt(pointer);
    if (variable !== undefined) return `the value of ${variable}`;
    return typeof value === 'string' ? JSON.stringify(withoutUser(value)) : String(value);
  }
}

/** What begins as a URL does, rightly written or not, up to its host; or `user:password@`. */
const USER = /^(\s*[a-z][a-z0-9+.-]*(?::\/\/?|\/\/)).*@|^[^/@]*:.*@/is;

/** A URL without its user and password, however it was written; other text as it is. */
function withoutUser(text: string): string {
  return text.replace(USER, (_, start = '') => `${start}***@`);
}

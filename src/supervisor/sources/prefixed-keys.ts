/**
 * The keys of a store below the prefix of its address.
 *
 * Thread: supervisor (on the main thread). Pure.
 */
export class PrefixedKeys {
  /** `prefix`: without a slash at its end. */
  constructor(private readonly prefix: string) {}

  /** The key as the store has it. */
  absolute(key: string): string {
    return `${this.prefix}/${key}`;
  }

  /** The key as the gateway knows it, of one that the store has. */
  relative(key: string): string {
    return key.slice(this.prefix.length + 1);
  }

  /** The same with keys as the store has them. */
  allAbsolute<T extends { readonly key: string }>(list: readonly T[]): T[] {
    return list.map((one) => ({ ...one, key: this.absolute(one.key) }));
  }
}

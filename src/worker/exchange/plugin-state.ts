/**
 * What plugins have made of an exchange.
 *
 * Thread: worker. Owned by its exchange; written by worker/plugins/ only.
 */

/** Fields that plugins may put into one access record, of all plugins together. */
const LOGGED_MAX = 16;
const LOGGED_NAME_CHARS = 64;
const LOGGED_VALUE_CHARS = 256;

export class PluginState {
  /** By lower-case name: what the target gets in place of what the client sent; null: nothing. */
  readonly fields = new Map<string, string | null>();
  /** For hooks of one request. */
  readonly shared = new Map<string, unknown>();
  /** Whether plugins have had the body of the request. */
  body: 'none' | 'running' | 'done' = 'none';
  private readonly logged = new Map<string, string | number | boolean>();

  log(plugin: string, name: string, value: string | number | boolean): void {
    const key = `${plugin}.${name.slice(0, LOGGED_NAME_CHARS)}`;
    if (this.logged.size >= LOGGED_MAX && !this.logged.has(key)) return;
    const isPlain = typeof value === 'number' || typeof value === 'boolean';
    // What else a plugin gives may be nothing that JSON can hold.
    this.logged.set(key, isPlain ? value : String(value).slice(0, LOGGED_VALUE_CHARS));
  }

  /** For the access record, as JSON; '': nothing. */
  get record(): string {
    return this.logged.size === 0 ? '' : JSON.stringify(Object.fromEntries(this.logged));
  }
}

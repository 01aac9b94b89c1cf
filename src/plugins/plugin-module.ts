/**
 * A module of a plugin as it crosses threads: a text that becomes a function.
 *
 * Thread: any (pure). Modules of Node are never freed, nor are those of `vm`: with every reload a
 * gateway would grow. A function is freed like any object, so each module of a plugin is rewritten
 * to one (module-text.ts), once, where the configuration is loaded.
 */

export interface PluginModule {
  /** Of its file, as `import.meta.url` and stacks have it. */
  readonly url: string;
  /** The body of the function. */
  readonly code: string;
  /** What it imports: the specifier, and the URL of a module of the same plugin; '': of Node. */
  readonly imports: readonly (readonly [specifier: string, url: string])[];
}

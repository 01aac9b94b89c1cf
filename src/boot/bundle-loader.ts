/**
 * Loads the bundle of a thread: scripts that the build has made of modules
 * (`build/chunk-script.ts`), beside them what V8 has compiled of each.
 *
 * Thread: any (both ends). The compiled code bears in its name the tag of the V8, its flags and the
 * processor that it was made for: for any other there is none, and V8 compiles the text.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';

/** What a chunk, or a package, exports. */
type Exports = Readonly<Record<string, unknown>>;

type Chunk = (
  load: (id: string) => Exports,
  importLater: (id: string, needs?: readonly string[]) => Promise<Exports>,
  meta: { readonly url: string },
) => Exports | Promise<Exports>;

/** Where the compiled code of a chunk is, for a V8 as it is set now. */
export function compiledFile(file: string): string {
  return `${file}.${cachedDataVersionTag()}.code`;
}

/** Loads the bundle in this folder, and resolves with what its entry exports. */
export async function loadBundle(folder: URL): Promise<Exports> {
  return new BundleLoader(folder).entry();
}

class BundleLoader {
  private readonly loaded = new Map<string, Exports>();
  private readonly require: NodeJS.Require;

  constructor(private readonly folder: URL) {
    this.require = createRequire(folder);
  }

  entry(): Exports | Promise<Exports> {
    return this.run('./index.js');
  }

  private readonly load = (id: string): Exports => {
    const known = this.loaded.get(id);
    if (known !== undefined) return known;
    // Only an entry, which nobody imports, may wait at its top.
    const exports = (id.startsWith('./') ? this.run(id) : this.require(id)) as Exports;
    this.loaded.set(id, exports);
    return exports;
  };

  /** `needs`: packages that the chunk loads at once, and that only `import` can load. */
  private readonly importLater = async (
    id: string,
    needs: readonly string[] = [],
  ): Promise<Exports> => {
    if (!id.startsWith('./')) return import(id);
    for (const need of needs) this.loaded.set(need, await import(need));
    return this.load(id);
  };

  private run(id: string): Exports | Promise<Exports> {
    const url = new URL(id, this.folder);
    const file = fileURLToPath(url);
    const cachedData = readIfThere(compiledFile(file));
    // The build writes one byte for each character, and so does V8 in memory.
    const script = new Script(readFileSync(file, 'latin1'), {
      filename: file,
      ...(cachedData !== undefined && { cachedData }),
    });
    const chunk = script.runInThisContext({ displayErrors: false }) as Chunk;
    return chunk(this.load, this.importLater, { url: url.href });
  }
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    // Not made for this V8; or not to be read, which the text of the chunk then says.
    return undefined;
  }
}

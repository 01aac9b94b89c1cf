/**
 * Shared memory whose writes stop for ever after a number of them, as if the thread had been
 * killed there.
 *
 * What is built inside `WriteFuse.watch` gets typed arrays over shared memory that count each
 * write. When the fuse is used up, that write and every later one is lost, and the code is thrown
 * out with {@link ThreadKilled}; its `finally` blocks run, but write nothing.
 */
export class ThreadKilled extends Error {
  constructor() {
    super('the thread was killed');
  }
}

type SharedArray =
  | Int32Array<SharedArrayBuffer>
  | Float64Array<SharedArrayBuffer>
  | Uint8Array<SharedArrayBuffer>;

interface Watched {
  readonly target: SharedArray;
  readonly fuse: WriteFuse;
}

const watched = new WeakMap<object, Watched>();
let current: WriteFuse | null = null;

export class WriteFuse {
  writes = 0;
  isDead = false;
  /** Called before each write that comes through: what others see there. */
  onWrite: () => void = () => {};

  /** `writesMax` writes come through. */
  constructor(public writesMax = Number.POSITIVE_INFINITY) {}

  /** Runs code that makes typed arrays. */
  watch<T>(build: () => T): T {
    current = this;
    try {
      return build();
    } finally {
      current = null;
    }
  }

  /** Whether a write comes through. */
  burn(): boolean {
    if (this.isDead) return false;
    if (this.writes >= this.writesMax) {
      this.isDead = true;
      throw new ThreadKilled();
    }
    this.writes += 1;
    this.onWrite();
    return true;
  }
}

function guard(target: SharedArray, fuse: WriteFuse): SharedArray {
  const proxy = new Proxy(target, {
    get(array, property) {
      if (typeof property === 'string') {
        const index = Number(property);
        if (Number.isInteger(index)) return array[index];
      }
      const value: unknown = Reflect.get(array, property, array);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (['fill', 'set', 'copyWithin'].includes(String(property)) && !fuse.burn()) return proxy;
        return Reflect.apply(value, array, args);
      };
    },
    set(array, property, value) {
      if (fuse.burn()) array[Number(property)] = value as number;
      return true;
    },
  });
  watched.set(proxy, { target, fuse });
  return proxy;
}

/** From here on typed arrays and Atomics know of fuses; once for a test file. */
export function installFuses(): void {
  for (const name of ['Int32Array', 'Float64Array', 'Uint8Array'] as const) {
    const original = globalThis[name];
    const replaced = new Proxy(original, {
      construct(target, args, newTarget) {
        const made = Reflect.construct(target, args, newTarget) as SharedArray;
        const isShared = args[0] instanceof SharedArrayBuffer;
        return isShared && current !== null ? guard(made, current) : made;
      },
    });
    Reflect.set(globalThis, name, replaced);
  }
  for (const name of ['load', 'store', 'exchange', 'add', 'compareExchange'] as const) {
    const original = Atomics[name] as (array: unknown, ...rest: unknown[]) => unknown;
    Reflect.set(Atomics, name, (array: object, ...rest: unknown[]) => {
      const entry = watched.get(array);
      if (entry === undefined) return original(array, ...rest);
      if (name !== 'load' && !entry.fuse.burn()) return 0;
      return original(entry.target, ...rest);
    });
  }
}
